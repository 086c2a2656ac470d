// The one EXIF tag that changes pixels.
#pragma once

#include <cstdint>
#include <span>

#include "pomona/image/image.h"

namespace pomona::image {

// Orientation 1..8 from an EXIF block (a TIFF structure, with or without "Exif\0\0" before it);
// 1, upright, when it is absent or malformed. Source: Exif 2.32, CIPA DC-008, tag 0x0112.
int ExifOrientation(std::span<const uint8_t> block);

// `stored` turned and mirrored so that it is upright.
Image ApplyOrientation(Image stored, int orientation);

}  // namespace pomona::image
