#pragma once

namespace pomona {

// The version of this source tree; CMake compares it with the project's.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace pomona
