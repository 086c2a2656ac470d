// Bytes of a JPEG, PNG or WebP file -> RGB pixels.
#pragma once

#include <cstdint>
#include <span>

#include "pomona/base/rejection.h"
#include "pomona/image/image.h"

namespace pomona::image {

// Checked against the header before any pixel is allocated.
struct DecodeLimits {
  int64_t max_pixels = 178'956'970;  // Pillow's own bound against decompression bombs
  int64_t max_bytes = 256'000'000;   // of the file
  int max_scans = 500;               // of a progressive JPEG
};

// Told by the first bytes, not by the name. EXIF orientation is applied; grey, palette and 16-bit
// become 8-bit RGB; CMYK and YCCK are converted; alpha is laid over white. JPEG values are those of
// libjpeg-turbo's accurate integer DCT with fancy upsampling, as OpenCV's imread gives them.
// Data that end early or that the codec warns about are rejected, never half-decoded. Thread-safe.
Outcome<Image> Decode(std::span<const uint8_t> bytes, const DecodeLimits& limits);

}  // namespace pomona::image
