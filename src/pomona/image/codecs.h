// The decoders behind Decode, one file each. Internal to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "pomona/base/rejection.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"

namespace pomona::image {

// Pixels as they are stored, and the EXIF orientation (1..8) that says how to turn them.
struct Stored {
  Image image;
  int orientation = 1;
};

Outcome<Stored> DecodeJpeg(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                           JpegPolicy policy);
Outcome<Stored> DecodePng(std::span<const uint8_t> bytes, const DecodeLimits& limits);
Outcome<Stored> DecodeWebp(std::span<const uint8_t> bytes, const DecodeLimits& limits);

// Why a file of so many bytes is not decoded, if it is not.
std::optional<Rejection> CheckBytes(int64_t size, const DecodeLimits& limits);
// Why an image of this size is not decoded, if it is not.
std::optional<Rejection> CheckSize(int64_t width, int64_t height, const DecodeLimits& limits);

// Lays `count` RGBA pixels over white; `rgb` may not overlap `rgba`.
void LayOverWhite(const uint8_t* rgba, int64_t count, uint8_t* rgb);

}  // namespace pomona::image
