// Non-local means.
#pragma once

#include <vector>

#include "pomona/image/image.h"

namespace pomona::image {

// Non-local means (Buades, Coll and Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005)
// with 7x7 patches compared over 21x21 positions, on L and on (a, b) of linear-light L*a*b*, both
// with strength `h` (0 < h <= 100, in 8-bit levels). The values of OpenCV's
// fastNlMeansDenoisingColored(h, h, 7, 21): fixed-point weights looked up by the patches' distance.
// Integer arithmetic, so the same bytes on every CPU.
Image NlmDenoise(const Image& image, float h);

// Weight of a patch at each distance, those of 0 at the end left out. Entry i stands for sums of
// 49 squared differences (over `channels`) in [64 i, 64 i + 64). For tests.
std::vector<int> NlmWeights(float h, int channels);

}  // namespace pomona::image
