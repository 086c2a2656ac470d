#pragma once

namespace pomona {

// The one place that holds the version; CMakeLists.txt reads it from here.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace pomona
