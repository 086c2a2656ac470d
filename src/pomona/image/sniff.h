// What kind of file some bytes are, told by how they begin.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pomona::image {

enum class Format { kJpeg, kPng, kWebp, kOtherImage, kNotAnImage };

struct Sniffed {
  Format format = Format::kNotAnImage;
  std::string_view name;  // "GIF", "TIFF" ...: of an image that is not decoded here
};

Sniffed Sniff(std::span<const uint8_t> bytes);

// The beginning of `bytes` as text in quotes if it is text, else as hex: "'<!DOCTYPE html'" or
// "1f 8b 08 00".
std::string DescribeStart(std::span<const uint8_t> bytes);

}  // namespace pomona::image
