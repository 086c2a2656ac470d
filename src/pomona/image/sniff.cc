#include "pomona/image/sniff.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace pomona::image {
namespace {

using namespace std::string_view_literals;

struct Magic {
  size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr Magic kOtherImages[] = {
    {0, "GIF87a"sv, "GIF"},
    {0, "GIF89a"sv, "GIF"},
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "BigTIFF"},
    {0, "MM\0+"sv, "BigTIFF"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftypavis"sv, "AVIF"},
    {4, "ftyphei"sv, "HEIC"},
    {4, "ftyphev"sv, "HEIC"},
    {4, "ftypmif1"sv, "HEIF"},
    {4, "ftypmsf1"sv, "HEIF"},
    {0, "\0\0\0\x0cjP  "sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    {0, "\0\0\0\x0cJXL "sv, "JPEG XL"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "8BPS"sv, "Photoshop"},
};

bool Has(std::span<const uint8_t> bytes, size_t offset, std::string_view magic) {
  return bytes.size() >= offset + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                    [](char m, uint8_t b) { return static_cast<uint8_t>(m) == b; });
}

// "BM" begins ordinary words too, so the size of the header that follows must be a known one.
bool IsBmp(std::span<const uint8_t> bytes) {
  constexpr std::array<uint8_t, 7> kHeaderSizes = {12, 40, 52, 56, 64, 108, 124};
  return Has(bytes, 0, "BM"sv) && Has(bytes, 15, "\0\0\0"sv) &&
         std::ranges::find(kHeaderSizes, bytes[14]) != kHeaderSizes.end();
}

bool IsPrintable(uint8_t byte) { return byte >= 0x20 && byte < 0x7f; }

}  // namespace

Sniffed Sniff(std::span<const uint8_t> bytes) {
  if (Has(bytes, 0, "\xff\xd8"sv)) return {Format::kJpeg, "JPEG"};
  if (Has(bytes, 0, "\x89PNG"sv)) return {Format::kPng, "PNG"};
  if (Has(bytes, 0, "RIFF"sv) && Has(bytes, 8, "WEBP"sv)) return {Format::kWebp, "WebP"};
  if (IsBmp(bytes)) return {Format::kOtherImage, "BMP"};
  for (const Magic& magic : kOtherImages) {
    if (Has(bytes, magic.offset, magic.bytes)) return {Format::kOtherImage, magic.name};
  }
  return {};
}

std::string DescribeStart(std::span<const uint8_t> bytes) {
  const auto head = bytes.first(std::min<size_t>(bytes.size(), 16));
  const auto text_end = std::ranges::find_if_not(head, IsPrintable);
  if (text_end == head.end() || text_end - head.begin() >= 4) {
    return "'" + std::string(head.begin(), text_end) + "'";
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : head.first(std::min<size_t>(head.size(), 8))) {
    if (!hex.empty()) hex += ' ';
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace pomona::image
