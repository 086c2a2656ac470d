// Pixels in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace pomona::image {

// 8-bit RGB (not OpenCV's BGR), row after row from the top, no padding: rgb[(y * width + x) * 3 +
// c].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

}  // namespace pomona::image
