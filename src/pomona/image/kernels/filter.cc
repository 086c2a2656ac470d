// Plain loops over rows, compiled once for every instruction set so that the compiler vectorises
// them for each; Highway chooses at run time.
#include "pomona/image/kernels/filter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "pomona/image/kernels/border.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/filter.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

// sums = 1 2 1 down three rows.
void BinomialDown(const uint8_t* HWY_RESTRICT above, const uint8_t* HWY_RESTRICT here,
                  const uint8_t* HWY_RESTRICT below, size_t n, uint16_t* HWY_RESTRICT sums) {
  for (size_t i = 0; i < n; ++i) {
    sums[i] = static_cast<uint16_t>(above[i] + 2 * here[i] + below[i]);
  }
}

// out = 1 2 1 along a row of sums that has one pixel more at either side, over 16.
void BinomialAcross(const uint16_t* HWY_RESTRICT sums, size_t n, uint8_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const auto sum = static_cast<uint16_t>(sums[i] + 2 * sums[i + 3] + sums[i + 6] + 8);
    out[i] = static_cast<uint8_t>(sum >> 4);
  }
}

// Smallest, middle and largest of the three samples in each column.
void SortColumns(const uint8_t* HWY_RESTRICT above, const uint8_t* HWY_RESTRICT here,
                 const uint8_t* HWY_RESTRICT below, size_t n, uint8_t* HWY_RESTRICT low,
                 uint8_t* HWY_RESTRICT middle, uint8_t* HWY_RESTRICT high) {
  for (size_t i = 0; i < n; ++i) {
    const uint8_t smaller = std::min(above[i], here[i]);
    const uint8_t larger = std::max(above[i], here[i]);
    const uint8_t upper = std::max(smaller, below[i]);
    low[i] = std::min(smaller, below[i]);
    middle[i] = std::min(larger, upper);
    high[i] = std::max(larger, upper);
  }
}

// The median of nine is the median of the largest low, the median middle and the smallest high of
// three sorted columns.
void MedianOfColumns(const uint8_t* HWY_RESTRICT low, const uint8_t* HWY_RESTRICT middle,
                     const uint8_t* HWY_RESTRICT high, size_t n, uint8_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const uint8_t a = std::max(std::max(low[i], low[i + 3]), low[i + 6]);
    const uint8_t c = std::min(std::min(high[i], high[i + 3]), high[i + 6]);
    const uint8_t m0 = middle[i];
    const uint8_t m1 = middle[i + 3];
    const uint8_t m2 = middle[i + 6];
    const uint8_t b = std::max(std::min(m0, m1), std::min(std::max(m0, m1), m2));
    out[i] = std::max(std::min(a, b), std::min(std::max(a, b), c));
  }
}

// Weighted sums of one row of a plane-wise image over one neighbour of every pixel. `table` is by
// colour distance.
void AddNeighbours(const int32_t* const* HWY_RESTRICT here,
                   const int32_t* const* HWY_RESTRICT there, const uint32_t* HWY_RESTRICT table,
                   size_t n, uint32_t* HWY_RESTRICT weights, uint32_t* HWY_RESTRICT red,
                   uint32_t* HWY_RESTRICT green, uint32_t* HWY_RESTRICT blue) {
  const int32_t* HWY_RESTRICT r0 = here[0];
  const int32_t* HWY_RESTRICT g0 = here[1];
  const int32_t* HWY_RESTRICT b0 = here[2];
  const int32_t* HWY_RESTRICT r1 = there[0];
  const int32_t* HWY_RESTRICT g1 = there[1];
  const int32_t* HWY_RESTRICT b1 = there[2];
  for (size_t i = 0; i < n; ++i) {
    const int32_t distance =
        std::abs(r0[i] - r1[i]) + std::abs(g0[i] - g1[i]) + std::abs(b0[i] - b1[i]);
    const uint32_t weight = table[distance];
    weights[i] += weight;
    red[i] += weight * static_cast<uint32_t>(r1[i]);
    green[i] += weight * static_cast<uint32_t>(g1[i]);
    blue[i] += weight * static_cast<uint32_t>(b1[i]);
  }
}

// out = sums / weights to the nearest level. Both are below 2^32, which a double holds exactly.
void DivideSums(const uint32_t* HWY_RESTRICT sums, const uint32_t* HWY_RESTRICT weights, size_t n,
                uint32_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const double mean = static_cast<double>(sums[i]) / static_cast<double>(weights[i]);
    out[i] = static_cast<uint32_t>(static_cast<int32_t>(mean + 0.5));
  }
}

}  // namespace pomona::image::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::image {
namespace {

HWY_EXPORT(BinomialDown);
HWY_EXPORT(BinomialAcross);
HWY_EXPORT(SortColumns);
HWY_EXPORT(MedianOfColumns);
HWY_EXPORT(AddNeighbours);
HWY_EXPORT(DivideSums);

Image Empty(const Image& like) {
  return Image{like.width, like.height, std::vector<uint8_t>(like.rgb.size())};
}

const uint8_t* Row(const Image& image, int y) {
  return image.rgb.data() + size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(y);
}
uint8_t* Row(Image& image, int y) {
  return image.rgb.data() + size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(y);
}

// One pixel at either side of `row`, which holds `width` pixels from its second on.
template <typename T>
void ReflectSides(int width, T* row) {
  const int next = Reflect(-1, width);
  const int last = Reflect(width, width);
  std::copy_n(row + 3 * (1 + next), 3, row);
  std::copy_n(row + 3 * (1 + last), 3, row + 3 * (1 + width));
}

template <typename T>
void RepeatSides(int width, T* row) {
  std::copy_n(row + 3, 3, row);
  std::copy_n(row + 3 * width, 3, row + 3 * (1 + width));
}

constexpr int kBilateralRadius = 2;
constexpr double kBilateralSigma = 50;
constexpr int kColourDistances = 3 * 255 + 1;
// 13 neighbours x 255 levels x this stays below 2^32.
constexpr double kBilateralOne = 1 << 20;

using WeightTable = std::array<uint32_t, kColourDistances>;

// By squared distance in the image: 0, 1, 2 and 4 occur in the disc.
std::array<WeightTable, 5> MakeBilateralTables() {
  std::array<WeightTable, 5> tables = {};
  const double scale = -0.5 / (kBilateralSigma * kBilateralSigma);
  for (int space = 0; space < 5; ++space) {
    for (int colour = 0; colour < kColourDistances; ++colour) {
      tables[space][colour] = static_cast<uint32_t>(
          std::lround(kBilateralOne * std::exp(scale * (space + colour * colour))));
    }
  }
  return tables;
}

// The three planes as 32-bit integers, which gather and multiply lanes want, with a mirrored edge.
class Planes {
 public:
  explicit Planes(const Image& image)
      : stride_(static_cast<size_t>(image.width) + 2 * kBilateralRadius),
        rows_(static_cast<size_t>(image.height) + 2 * kBilateralRadius),
        samples_(3 * stride_ * rows_) {
    for (int y = -kBilateralRadius; y < image.height + kBilateralRadius; ++y) {
      const uint8_t* from = Row(image, Reflect(y, image.height));
      for (int c = 0; c < 3; ++c) {
        int32_t* to = samples_.data() + Offset(c, y);
        for (int x = -kBilateralRadius; x < image.width + kBilateralRadius; ++x) {
          to[x] = from[3 * Reflect(x, image.width) + c];
        }
      }
    }
  }

  std::array<const int32_t*, 3> At(int y, int x) const {
    return {samples_.data() + Offset(0, y) + x, samples_.data() + Offset(1, y) + x,
            samples_.data() + Offset(2, y) + x};
  }

 private:
  std::ptrdiff_t Offset(int c, int y) const {
    const size_t row = static_cast<size_t>(c) * rows_ + static_cast<size_t>(y + kBilateralRadius);
    return static_cast<std::ptrdiff_t>(row * stride_) + kBilateralRadius;
  }

  size_t stride_;
  size_t rows_;
  std::vector<int32_t> samples_;
};

}  // namespace

Image GaussianBlur3(const Image& image) {
  Image out = Empty(image);
  const auto samples = size_t{3} * static_cast<size_t>(image.width);
  std::vector<uint16_t> sums(samples + 6);
  for (int y = 0; y < image.height; ++y) {
    HWY_DYNAMIC_DISPATCH(BinomialDown)
    (Row(image, Reflect(y - 1, image.height)), Row(image, y),
     Row(image, Reflect(y + 1, image.height)), samples, sums.data() + 3);
    ReflectSides(image.width, sums.data());
    HWY_DYNAMIC_DISPATCH(BinomialAcross)(sums.data(), samples, Row(out, y));
  }
  return out;
}

Image MedianBlur3(const Image& image) {
  Image out = Empty(image);
  const auto samples = size_t{3} * static_cast<size_t>(image.width);
  std::array<std::vector<uint8_t>, 3> sorted;
  for (auto& row : sorted) row.resize(samples + 6);
  for (int y = 0; y < image.height; ++y) {
    HWY_DYNAMIC_DISPATCH(SortColumns)
    (Row(image, std::max(y - 1, 0)), Row(image, y), Row(image, std::min(y + 1, image.height - 1)),
     samples, sorted[0].data() + 3, sorted[1].data() + 3, sorted[2].data() + 3);
    for (auto& row : sorted) RepeatSides(image.width, row.data());
    HWY_DYNAMIC_DISPATCH(MedianOfColumns)
    (sorted[0].data(), sorted[1].data(), sorted[2].data(), samples, Row(out, y));
  }
  return out;
}

Image BilateralFilter5(const Image& image) {
  static const std::array<WeightTable, 5> tables = MakeBilateralTables();
  Image out = Empty(image);
  const Planes planes(image);
  const auto n = static_cast<size_t>(image.width);
  std::array<std::vector<uint32_t>, 4> sums;  // weights, red, green, blue
  std::vector<uint32_t> means(n);
  for (int y = 0; y < image.height; ++y) {
    for (auto& row : sums) row.assign(n, 0);
    for (int dy = -kBilateralRadius; dy <= kBilateralRadius; ++dy) {
      for (int dx = -kBilateralRadius; dx <= kBilateralRadius; ++dx) {
        const int distance = dx * dx + dy * dy;
        if (distance > kBilateralRadius * kBilateralRadius) continue;
        HWY_DYNAMIC_DISPATCH(AddNeighbours)
        (planes.At(y, 0).data(), planes.At(y + dy, dx).data(), tables[distance].data(), n,
         sums[0].data(), sums[1].data(), sums[2].data(), sums[3].data());
      }
    }
    uint8_t* to = Row(out, y);
    for (int c = 0; c < 3; ++c) {
      HWY_DYNAMIC_DISPATCH(DivideSums)(sums[1 + c].data(), sums[0].data(), n, means.data());
      for (size_t x = 0; x < n; ++x) to[3 * x + c] = static_cast<uint8_t>(means[x]);
    }
  }
  return out;
}

}  // namespace pomona::image
#endif  // HWY_ONCE
