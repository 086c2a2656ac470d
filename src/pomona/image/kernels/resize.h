// Resampling of 8-bit RGB: the same bytes on every CPU.
#pragma once

#include "pomona/image/image.h"

namespace pomona::image {

// `width` and `height` are 1 or more, as are those of `image`.

// The values of OpenCV's INTER_LINEAR: 11-bit weights, pixel centres at half-integers. Does not
// widen its filter when it shrinks.
Image ResizeBilinear(const Image& image, int width, int height);

// OpenCV's INTER_AREA: the mean over the covered area where it shrinks in both directions,
// otherwise a linear blend between pixels that lie across a border. In float, operation for
// operation, where it is a mean over fractions of pixels.
Image ResizeArea(const Image& image, int width, int height);

// OpenCV's INTER_CUBIC: Keys' kernel with a = -0.75 and 11-bit weights. In integers where OpenCV
// goes through float (and Intel's IPP, where OpenCV calls it, differs in 3 % of values): at most 1
// off, where a value lies midway between two levels.
Image ResizeBicubic(const Image& image, int width, int height);

// The values of Pillow's BILINEAR: a triangle filter as wide as the shrinking asks, 22-bit
// weights, first along rows (to 8 bits), then along columns.
Image ResizePilBilinear(const Image& image, int width, int height);

}  // namespace pomona::image
