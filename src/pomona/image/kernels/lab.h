// 8-bit L*a*b* of linear RGB, by integer tables.
#pragma once

#include <cstdint>
#include <vector>

#include "pomona/image/image.h"

namespace pomona::image {

struct LabImage {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> l, a, b;  // L * 255 / 100, a + 128, b + 128; width x height each
};

// CIE L*a*b* under D65 with RGB taken as linear light (no gamma), in the fixed-point steps and with
// the values of OpenCV's COLOR_LRGB2Lab and COLOR_Lab2LRGB for 8 bits, which its
// fastNlMeansDenoisingColored goes through.
LabImage ToLab(const Image& image);
Image FromLab(const LabImage& lab);

}  // namespace pomona::image
