// Small denoising filters on 8-bit RGB. Integer arithmetic, so the same bytes on every CPU.
#pragma once

#include "pomona/image/image.h"

namespace pomona::image {

// Binomial 3x3 (1 2 1 in both directions), the edge mirrored. The values of OpenCV's
// GaussianBlur(ksize 3x3, sigma 0).
Image GaussianBlur3(const Image& image);

// Median of 3x3 per channel, the edge repeated. The values of OpenCV's medianBlur(ksize 3).
Image MedianBlur3(const Image& image);

// Bilateral filter (Tomasi and Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV
// 1998) on the disc of radius 2; colour distance is |dR| + |dG| + |dB|, both sigmas are 50, the
// edge is mirrored. The values of OpenCV's bilateralFilter(d 5) but for its rounding in float: at
// most 1 off, where a mean lies midway between two levels.
Image BilateralFilter5(const Image& image);

}  // namespace pomona::image
