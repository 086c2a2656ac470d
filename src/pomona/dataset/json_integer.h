// Whole numbers out of JSON that anybody may have written. Not a public header.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

namespace pomona::dataset {

// Throws json::type_error unless `j` is an integer: get<int64_t>() takes 9e30 too, and what that
// becomes is undefined.
inline int64_t JsonInteger(const nlohmann::json& j) {
  if (j.is_number_integer()) return j.get<int64_t>();
  throw nlohmann::json::type_error::create(302, "must be a whole number, not " + j.dump(), &j);
}

}  // namespace pomona::dataset
