// Bytes of a JPEG, PNG or WebP file -> RGB pixels.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/image/image.h"

namespace pomona::image {

// Checked against the header before any pixel is allocated.
struct DecodeLimits {
  int64_t max_pixels = 178'956'970;  // Pillow's own bound against decompression bombs
  int64_t max_bytes = 256'000'000;   // of the file
  int max_scans = 500;               // of a progressive JPEG
};

// What becomes of a JPEG whose data end early, or about which libjpeg warns. PNG and WebP files
// that are damaged are always rejected.
enum class JpegPolicy {
  kStrict,   // rejected
  kWarn,     // decoded, what is missing in grey, if at least half of its rows are sound
  kLenient,  // decoded, whatever of it is there
};

// "strict" "warn" "lenient"; UsageError that lists them.
Result<JpegPolicy> ParseJpegPolicy(std::string_view text);
std::string ToString(JpegPolicy policy);

// Told by the first bytes, not by the name. EXIF orientation is applied; grey, palette and 16-bit
// become 8-bit RGB; CMYK and YCCK are converted; alpha is laid over white. JPEG values are those of
// libjpeg-turbo's accurate integer DCT with fancy upsampling, as OpenCV's imread gives them.
// Data that end early or that the codec warns about are rejected unless `policy` says otherwise;
// then Image::damage says what was wrong. Thread-safe.
Outcome<Image> Decode(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                      JpegPolicy policy = JpegPolicy::kStrict);

}  // namespace pomona::image
