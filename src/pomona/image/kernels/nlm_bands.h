// How non-local means lays its planes out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pomona/image/kernels/border.h"

namespace pomona::image {

inline constexpr int kPatch = 7;
inline constexpr int kPatchHalf = kPatch / 2;
inline constexpr int kSearch = 21;
inline constexpr int kSearchHalf = kSearch / 2;
inline constexpr int kMargin = kPatchHalf + kSearchHalf;
inline constexpr size_t kPositions = size_t{kSearch} * kSearch;
inline constexpr size_t kLanes = 448;  // positions, up to the next multiple of a vector
inline constexpr int kBinBits = 6;     // 64, the power of two after a patch's 49 pixels
// Most entries of a weight table that bytes can look up, and that keep sums within 16 bits.
inline constexpr size_t kMaxNarrowWeights = 127;

// Row `y` of a plane and its 10 neighbours above and below, column after column: entry
// (x + kMargin) * 21 + dy + 10. The positions around pixel x begin at entry (x + 3) * 21.
// A ring of the last 8 rows, which is what a sliding patch looks back on.
class Bands {
 public:
  Bands(const uint8_t* plane, int width, int height)
      : columns_(width + 2 * kMargin),
        column_size_(static_cast<size_t>(height) + size_t{2} * kMargin),
        band_size_(static_cast<size_t>(columns_) * kSearch + kLanes),
        transposed_(static_cast<size_t>(columns_) * column_size_),
        ring_(kRows * band_size_) {
    for (int x = 0; x < columns_; ++x) {
      const uint8_t* from = plane + Reflect(x - kMargin, width);
      int8_t* to = transposed_.data() + static_cast<size_t>(x) * column_size_;
      for (int y = -kMargin; y < height + kMargin; ++y) {
        // Levels less 128, as the signed operations here take them.
        *to++ = static_cast<int8_t>(
            from[static_cast<size_t>(Reflect(y, height)) * static_cast<size_t>(width)] ^ 0x80);
      }
    }
  }

  size_t size() const { return band_size_; }

  // `y` from -3 to height + 2, one after the other.
  void Make(int y) {
    int8_t* to = ring_.data() + Slot(y) * band_size_;
    const int8_t* from = transposed_.data() + (y + kPatchHalf);
    for (int x = 0; x < columns_; ++x) {
      std::memcpy(to, from, kSearch);
      to += kSearch;
      from += column_size_;
    }
  }

  const int8_t* Row(int y) const { return ring_.data() + Slot(y) * band_size_; }

 private:
  static constexpr size_t kRows = 8;
  static size_t Slot(int y) { return static_cast<size_t>(y + kPatch) % kRows; }

  int columns_;
  size_t column_size_;
  size_t band_size_;
  std::vector<int8_t> transposed_;
  std::vector<int8_t> ring_;
};

// Entry of a band where the positions around pixel x begin, and that of pixel x itself.
inline size_t FirstPosition(int x) { return static_cast<size_t>(x + kPatchHalf) * kSearch; }
inline size_t CentrePosition(int x) { return FirstPosition(x) + kPositions / 2; }

// A ring of the last 8 rows of pairs of bytes, of one band each.
class PairBands {
 public:
  explicit PairBands(size_t band_size) : band_size_(band_size), ring_(kRows * 2 * band_size) {}

  const int8_t* Make(int y, const int8_t* even, const int8_t* odd) {
    int8_t* to = ring_.data() + Slot(y) * 2 * band_size_;
    for (size_t i = 0; i < band_size_; ++i) {
      to[2 * i] = even[i];
      to[2 * i + 1] = odd[i];
    }
    return to;
  }

  const int8_t* Row(int y) const { return ring_.data() + Slot(y) * 2 * band_size_; }

 private:
  static constexpr size_t kRows = 8;
  static size_t Slot(int y) { return static_cast<size_t>(y + kPatch) % kRows; }

  size_t band_size_;
  std::vector<int8_t> ring_;
};

// One row's sums of weights, and of weights times (level - 128).
struct RowSums {
  explicit RowSums(size_t width) : weights(width), levels{weights, weights} {}
  std::vector<int32_t> weights;
  std::array<std::vector<int32_t>, 2> levels;
};

// One or two planes of an image, with what they become.
struct PlaneSet {
  int width;
  int height;
  int channels;
  std::array<const uint8_t*, 2> from;
  std::array<uint8_t*, 2> to;
};

}  // namespace pomona::image
