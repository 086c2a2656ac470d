#include "pomona/image/decode.h"

#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "pomona/base/names.h"
#include "pomona/base/text.h"
#include "pomona/image/codecs.h"
#include "pomona/image/exif.h"
#include "pomona/image/sniff.h"

namespace pomona::image {
namespace {

constexpr Names<JpegPolicy, 3> kPolicyNames = {{
    {JpegPolicy::kStrict, "strict"},
    {JpegPolicy::kWarn, "warn"},
    {JpegPolicy::kLenient, "lenient"},
}};

Outcome<Stored> DecodeStored(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                             JpegPolicy policy) {
  const Sniffed sniffed = Sniff(bytes);
  switch (sniffed.format) {
    case Format::kJpeg:
      return DecodeJpeg(bytes, limits, policy);
    case Format::kPng:
      return DecodePng(bytes, limits);
    case Format::kWebp:
      return DecodeWebp(bytes, limits);
    case Format::kOtherImage:
      return Rejection{Reason::kUnsupportedFormat,
                       std::string(sniffed.name) + " is not decoded (JPEG, PNG and WebP are)",
                       std::nullopt};
    case Format::kNotAnImage:
      break;
  }
  return Rejection{Reason::kNotAnImage, "starts with " + DescribeStart(bytes), std::nullopt};
}

}  // namespace

Result<JpegPolicy> ParseJpegPolicy(std::string_view text) {
  if (const auto policy = ValueOf(kPolicyNames, text)) return *policy;
  return UsageError("unknown JPEG policy " + Quoted(text) + ": use strict, warn or lenient");
}

std::string ToString(JpegPolicy policy) { return std::string(NameOf(kPolicyNames, policy)); }

std::optional<Rejection> CheckSize(int64_t width, int64_t height, const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) {
    return Rejection{Reason::kCorrupt, "the header gives it no pixels", std::nullopt};
  }
  if (width > limits.max_pixels / height) {
    return Rejection{Reason::kTooLarge,
                     std::to_string(width) + "x" + std::to_string(height) + " pixels exceed " +
                         WithThousands(limits.max_pixels),
                     std::nullopt, width * height};
  }
  return std::nullopt;
}

void LayOverWhite(const uint8_t* rgba, int64_t count, uint8_t* rgb) {
  for (int64_t i = 0; i < count; ++i, rgba += 4, rgb += 3) {
    const unsigned alpha = rgba[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>((rgba[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
}

std::optional<Rejection> CheckBytes(int64_t size, const DecodeLimits& limits) {
  if (size == 0) return Rejection{Reason::kEmpty, "the file has no bytes", 0};
  if (size <= limits.max_bytes) return std::nullopt;
  return Rejection{Reason::kTooLarge, HumanBytes(size) + " exceed " + HumanBytes(limits.max_bytes),
                   std::nullopt, 0, size};
}

Outcome<Image> Decode(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                      JpegPolicy policy) {
  if (auto rejection = CheckBytes(std::ssize(bytes), limits)) return *rejection;
  Outcome<Stored> stored = DecodeStored(bytes, limits, policy);
  if (!stored.ok()) return stored.rejection();
  return ApplyOrientation(std::move(stored.value().image), stored.value().orientation);
}

}  // namespace pomona::image
