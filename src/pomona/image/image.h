// Pixels in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pomona::image {

// 8-bit RGB (not OpenCV's BGR), row after row from the top, no padding: rgb[(y * width + x) * 3 +
// c].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
  std::string damage = {};  // what was wrong with the file it was decoded from all the same
};

}  // namespace pomona::image
