#include <webp/decode.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "pomona/image/codecs.h"
#include "pomona/image/exif.h"

namespace pomona::image {
namespace {

constexpr size_t kRiffHeaderSize = 12;
constexpr size_t kChunkHeaderSize = 8;

uint32_t LittleEndian32(const uint8_t* bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

Rejection Rejected(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return {Reason::kTruncated, "the WebP data end early", std::nullopt};
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return {Reason::kUnsupportedFormat, "a WebP feature that libwebp does not know",
              std::nullopt};
    case VP8_STATUS_OUT_OF_MEMORY:
      return {Reason::kNoMemory, "libwebp has no memory for it", std::nullopt};
    default:
      return {Reason::kCorrupt, "the WebP data contradict themselves", std::nullopt};
  }
}

// The EXIF chunk comes after the pixels; source: RFC 9649, section 2.7.
int Orientation(std::span<const uint8_t> bytes) {
  for (size_t at = kRiffHeaderSize; at + kChunkHeaderSize <= bytes.size();) {
    const size_t size = LittleEndian32(&bytes[at + 4]);
    const size_t data = at + kChunkHeaderSize;
    if (size > bytes.size() - data) break;
    if (std::memcmp(&bytes[at], "EXIF", 4) == 0) return ExifOrientation(bytes.subspan(data, size));
    at = data + size + size % 2;
  }
  return 1;
}

std::optional<Rejection> CheckFeatures(const WebPBitstreamFeatures& features,
                                       const DecodeLimits& limits) {
  if (auto rejection = CheckSize(features.width, features.height, limits)) return rejection;
  if (features.has_animation != 0) {
    return Rejection{Reason::kUnsupportedFormat, "an animated WebP is not decoded", std::nullopt};
  }
  return std::nullopt;
}

}  // namespace

Outcome<Stored> DecodeWebp(std::span<const uint8_t> bytes, const DecodeLimits& limits) {
  if (LittleEndian32(&bytes[4]) > bytes.size() - kChunkHeaderSize) {
    return Rejection{Reason::kTruncated, "the WebP data end early",
                     static_cast<int64_t>(bytes.size())};
  }
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    return Rejection{Reason::kUnreadable, "libwebp is of another version", std::nullopt};
  }
  VP8StatusCode status = WebPGetFeatures(bytes.data(), bytes.size(), &config.input);
  if (status != VP8_STATUS_OK) return Rejected(status);
  if (auto rejection = CheckFeatures(config.input, limits)) return *rejection;

  Stored stored;
  stored.image.width = config.input.width;
  stored.image.height = config.input.height;
  const auto pixels = size_t{1} * config.input.width * config.input.height;
  const int channels = config.input.has_alpha != 0 ? 4 : 3;
  std::vector<uint8_t> samples(pixels * channels);
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = samples.data();
  config.output.u.RGBA.stride = channels * config.input.width;
  config.output.u.RGBA.size = samples.size();
  status = WebPDecode(bytes.data(), bytes.size(), &config);
  if (status != VP8_STATUS_OK) return Rejected(status);

  if (channels == 4) {
    stored.image.rgb.resize(pixels * 3);
    LayOverWhite(samples.data(), static_cast<int64_t>(pixels), stored.image.rgb.data());
  } else {
    stored.image.rgb = std::move(samples);
  }
  stored.orientation = Orientation(bytes);
  return stored;
}

}  // namespace pomona::image
