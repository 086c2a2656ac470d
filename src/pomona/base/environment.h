#pragma once

#include <cstdlib>
#include <string>

namespace pomona {

// The value of an environment variable; "" without it.
inline std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace pomona
