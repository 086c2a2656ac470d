#include "pomona/image/exif.h"

#include <cstddef>
#include <cstring>
#include <utility>

namespace pomona::image {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kTypeShort = 3;
constexpr size_t kEntrySize = 12;

// Bounds-checked integers of either byte order; 0 beyond the end.
class TiffReader {
 public:
  explicit TiffReader(std::span<const uint8_t> bytes) : bytes_(bytes) {
    if (bytes.size() < 8) return;
    big_endian_ = bytes[0] == 'M' && bytes[1] == 'M';
    const bool little_endian = bytes[0] == 'I' && bytes[1] == 'I';
    valid_ = (big_endian_ || little_endian) && Integer(2, 2) == 42;
  }

  bool valid() const { return valid_; }
  uint16_t Short(size_t at) const { return static_cast<uint16_t>(Integer(at, 2)); }
  uint32_t Long(size_t at) const { return Integer(at, 4); }

 private:
  uint32_t Integer(size_t at, size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value = value << 8 | bytes_[at + (big_endian_ ? i : size - 1 - i)];
    }
    return value;
  }

  std::span<const uint8_t> bytes_;
  bool big_endian_ = false;
  bool valid_ = false;
};

}  // namespace

int ExifOrientation(std::span<const uint8_t> block) {
  if (block.size() >= 6 && std::memcmp(block.data(), "Exif\0\0", 6) == 0) block = block.subspan(6);
  const TiffReader tiff(block);
  if (!tiff.valid()) return 1;
  const size_t directory = tiff.Long(4);
  const size_t entries = tiff.Short(directory);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntrySize;
    if (entry + kEntrySize > block.size()) break;
    if (tiff.Short(entry) != kOrientationTag) continue;
    const int value = tiff.Short(entry + 8);
    return tiff.Short(entry + 2) == kTypeShort && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image ApplyOrientation(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  // Bit by bit: 5..8 exchange rows and columns, 2, 3, 7, 8 start at the right, 3, 4, 6, 7 at the
  // bottom (of the stored image, as seen from the upright one).
  const bool transposed = orientation >= 5;
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::ptrdiff_t width = stored.width;
  const std::ptrdiff_t height = stored.height;

  Image upright;
  upright.width = transposed ? stored.height : stored.width;
  upright.height = transposed ? stored.width : stored.height;
  upright.rgb.resize(stored.rgb.size());
  const std::ptrdiff_t along_row = from_right ? -3 : 3;
  const std::ptrdiff_t along_column = (from_bottom ? -3 : 3) * width;
  const std::ptrdiff_t step_x = transposed ? along_column : along_row;
  const std::ptrdiff_t step_y = transposed ? along_row : along_column;
  const std::ptrdiff_t first =
      (from_bottom ? (height - 1) * width * 3 : 0) + (from_right ? (width - 1) * 3 : 0);
  uint8_t* to = upright.rgb.data();
  for (std::ptrdiff_t y = 0; y < upright.height; ++y) {
    for (std::ptrdiff_t x = 0; x < upright.width; ++x, to += 3) {
      std::memcpy(to, stored.rgb.data() + first + y * step_y + x * step_x, 3);
    }
  }
  return upright;
}

}  // namespace pomona::image
