// Loops over rows, compiled once for every instruction set; Highway chooses at run time.
#include "pomona/image/kernels/filter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pomona/image/kernels/border.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/filter.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

#ifndef POMONA_IMAGE_KERNELS_BILATERAL
#define POMONA_IMAGE_KERNELS_BILATERAL
namespace pomona::image {

struct BilateralNeighbour {
  std::ptrdiff_t offset;   // from the pixel to this neighbour, in a plane
  const int32_t* weights;  // by colour distance
};

// One row of an image in planes, all of whose neighbours may be read.
struct BilateralRow {
  std::ptrdiff_t width;
  std::array<const uint8_t*, 3> planes;
  std::span<const BilateralNeighbour> neighbours;
};

}  // namespace pomona::image
#endif

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

namespace hn = hwy::HWY_NAMESPACE;

using D32 = hn::ScalableTag<int32_t>;
using V32 = hn::Vec<D32>;

struct Colour {
  V32 red, green, blue;
};

HWY_INLINE Colour LoadColour(const BilateralRow& row, std::ptrdiff_t at) {
  const D32 d32;
  const hn::Rebind<uint8_t, D32> d8;
  return {hn::PromoteTo(d32, hn::LoadU(d8, row.planes[0] + at)),
          hn::PromoteTo(d32, hn::LoadU(d8, row.planes[1] + at)),
          hn::PromoteTo(d32, hn::LoadU(d8, row.planes[2] + at))};
}

// To the nearest level.
HWY_INLINE void StoreMean(V32 sum, V32 weight, uint8_t* to) {
  const D32 d32;
  const hn::RebindToFloat<D32> df;
  const auto mean = hn::Div(hn::ConvertTo(df, sum), hn::ConvertTo(df, weight));
  const V32 level = hn::ConvertTo(d32, hn::Add(mean, hn::Set(df, 0.5F)));
  const hn::Rebind<uint8_t, D32> d8;
  hn::StoreU(hn::DemoteTo(d8, level), d8, to);
}

// Writes up to a vector more than the row's width.
void FilterBilateralRow(const BilateralRow& row, uint8_t* const* out) {
  const D32 d32;
  for (std::ptrdiff_t x = 0; x < row.width; x += static_cast<std::ptrdiff_t>(hn::Lanes(d32))) {
    const Colour here = LoadColour(row, x);
    V32 weights = hn::Zero(d32);
    Colour sums = {weights, weights, weights};
    for (const BilateralNeighbour& neighbour : row.neighbours) {
      const Colour there = LoadColour(row, x + neighbour.offset);
      const V32 distance = hn::Add(
          hn::Add(hn::Abs(hn::Sub(here.red, there.red)), hn::Abs(hn::Sub(here.green, there.green))),
          hn::Abs(hn::Sub(here.blue, there.blue)));
      const V32 weight = hn::GatherIndex(d32, neighbour.weights, distance);
      weights = hn::Add(weights, weight);
      sums.red = hn::Add(sums.red, hn::Mul(weight, there.red));
      sums.green = hn::Add(sums.green, hn::Mul(weight, there.green));
      sums.blue = hn::Add(sums.blue, hn::Mul(weight, there.blue));
    }
    StoreMean(sums.red, weights, out[0] + x);
    StoreMean(sums.green, weights, out[1] + x);
    StoreMean(sums.blue, weights, out[2] + x);
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
HWY_EXPORT(FilterBilateralRow);

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
// 13 neighbours x 255 levels x this stays below 2^31.
constexpr double kBilateralOne = 1 << 19;
constexpr size_t kSlack = 64;  // samples that the last vector of a row may touch beyond it

using WeightTable = std::array<int32_t, kColourDistances>;

// By squared distance in the image: 0, 1, 2 and 4 occur in the disc.
std::array<WeightTable, 5> MakeBilateralTables() {
  std::array<WeightTable, 5> tables = {};
  const double scale = -0.5 / (kBilateralSigma * kBilateralSigma);
  for (size_t space = 0; space < tables.size(); ++space) {
    for (size_t colour = 0; colour < kColourDistances; ++colour) {
      const auto distance = static_cast<double>(space + colour * colour);
      tables[space][colour] =
          static_cast<int32_t>(std::lround(kBilateralOne * std::exp(scale * distance)));
    }
  }
  return tables;
}

// The three planes of an image with a mirrored edge.
class Planes {
 public:
  explicit Planes(const Image& image)
      : stride_(image.width + 2 * kBilateralRadius),
        plane_(stride_ * (image.height + 2 * kBilateralRadius)),
        samples_(3 * static_cast<size_t>(plane_) + kSlack) {
    uint8_t* to = samples_.data();
    for (int y = -kBilateralRadius; y < image.height + kBilateralRadius; ++y) {
      const uint8_t* from = Row(image, Reflect(y, image.height));
      for (int x = -kBilateralRadius; x < image.width + kBilateralRadius; ++x, ++to) {
        const uint8_t* pixel = from + std::ptrdiff_t{3} * Reflect(x, image.width);
        for (int c = 0; c < 3; ++c) to[c * plane_] = pixel[c];
      }
    }
  }

  std::ptrdiff_t stride() const { return stride_; }
  std::array<const uint8_t*, 3> At(int y) const {
    const uint8_t* first = samples_.data() + (y + kBilateralRadius) * stride_ + kBilateralRadius;
    return {first, first + plane_, first + 2 * plane_};
  }

 private:
  std::ptrdiff_t stride_;
  std::ptrdiff_t plane_;
  std::vector<uint8_t> samples_;
};

std::vector<BilateralNeighbour> Disc(std::ptrdiff_t stride) {
  static const std::array<WeightTable, 5> tables = MakeBilateralTables();
  std::vector<BilateralNeighbour> disc;
  for (int dy = -kBilateralRadius; dy <= kBilateralRadius; ++dy) {
    for (int dx = -kBilateralRadius; dx <= kBilateralRadius; ++dx) {
      const int distance = dx * dx + dy * dy;
      if (distance > kBilateralRadius * kBilateralRadius) continue;
      disc.push_back({dy * stride + dx, tables[static_cast<size_t>(distance)].data()});
    }
  }
  return disc;
}

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
  Image out = Empty(image);
  const Planes planes(image);
  const std::vector<BilateralNeighbour> disc = Disc(planes.stride());
  std::array<std::vector<uint8_t>, 3> rows;
  std::array<uint8_t*, 3> to = {};
  for (size_t c = 0; c < 3; ++c) {
    rows[c].resize(static_cast<size_t>(image.width) + kSlack);
    to[c] = rows[c].data();
  }
  for (int y = 0; y < image.height; ++y) {
    HWY_DYNAMIC_DISPATCH(FilterBilateralRow)({image.width, planes.At(y), disc}, to.data());
    uint8_t* pixel = Row(out, y);
    for (int x = 0; x < image.width; ++x, pixel += 3) {
      for (size_t c = 0; c < 3; ++c) pixel[c] = to[c][x];
    }
  }
  return out;
}

}  // namespace pomona::image
#endif  // HWY_ONCE
