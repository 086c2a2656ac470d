// Values on their way between processes: CBOR (RFC 8949), with numbers as they are in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"

namespace pomona {

inline std::string ToCbor(const nlohmann::json& value) {
  std::string bytes;
  nlohmann::json::to_cbor(value, bytes);
  return bytes;
}

// `from(value)`, which may throw json::exception; an error names `what` the bytes should have been.
template <typename From>
auto FromCbor(std::string_view bytes, const char* what, From from)
    -> Result<decltype(from(nlohmann::json()))> {
  try {
    return from(nlohmann::json::from_cbor(bytes));
  } catch (const nlohmann::json::exception& e) {
    return Status::Invalid("these are not the bytes of ", what, ": ", e.what());
  }
}

// A string need not be UTF-8 here, which as JSON it must be.
inline nlohmann::json Binary(std::string_view bytes) {
  return nlohmann::json::binary(std::vector<uint8_t>(bytes.begin(), bytes.end()));
}

inline std::string FromBinary(const nlohmann::json& value) {
  const nlohmann::json::binary_t& bytes = value.get_binary();
  return {bytes.begin(), bytes.end()};
}

// Doubles to the last bit, in this machine's byte order.
template <typename Numbers>
nlohmann::json BinaryNumbers(const Numbers& numbers) {
  return Binary({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)});
}

// Throws json::type_error unless there are `count` of them.
template <typename Numbers>
Numbers FromBinaryNumbers(const nlohmann::json& value, size_t count) {
  const nlohmann::json::binary_t& bytes = value.get_binary();
  if (bytes.size() != count * sizeof(double)) {
    throw nlohmann::json::type_error::create(302, "has another number of numbers", &value);
  }
  Numbers numbers(count);
  if (count > 0) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

}  // namespace pomona
