// Loops over rows, compiled once for every instruction set; Highway chooses at run time.
#include "pomona/image/kernels/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/resize.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

#ifndef POMONA_IMAGE_KERNELS_RESIZE_TAPS
#define POMONA_IMAGE_KERNELS_RESIZE_TAPS
namespace pomona::image {

// How target pixels are made along a row: from 2 kPairs neighbouring source pixels each, the first
// of which begins at byte first[i], times weight[kPairs i + k]. A weight
// has 11 bits and is there once a sample: w w' w w' w w' 0 0 for two pixels.
struct AcrossTaps {
  const int32_t* first;
  const std::array<int16_t, 8>* weight;
  size_t count;
};

}  // namespace pomona::image
#endif

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE int32_t TapSum(const uint8_t* from, const std::array<int16_t, 8>* weight, size_t pairs,
                          size_t c) {
  int32_t sum = 0;
  for (size_t k = 0; k < pairs; ++k) {
    sum += from[6 * k + c] * weight[k][0] + from[6 * k + 3 + c] * weight[k][1];
  }
  return sum;
}

void TwoTaps(const uint8_t* row, const AcrossTaps& taps, int16_t* out) {
  for (size_t i = 0; i < 3 * taps.count; ++i) {
    const size_t x = i / 3;
    out[i] = static_cast<int16_t>(TapSum(row + taps.first[x], taps.weight + x, 1, i % 3) >> 4);
  }
}

void FourTaps(const uint8_t* row, const AcrossTaps& taps, int32_t* out) {
  for (size_t i = 0; i < 3 * taps.count; ++i) {
    const size_t x = i / 3;
    out[i] = TapSum(row + taps.first[x], taps.weight + 2 * x, 2, i % 3);
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using D8 = hn::FixedTag<uint8_t, 16>;
using D16 = hn::Repartition<int16_t, D8>;
using D32 = hn::Repartition<int32_t, D8>;

// a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]
HWY_INLINE hn::Vec<D32> MultiplyPairs(hn::Vec<D16> a, hn::Vec<D16> b) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  return hn::Vec<D32>{_mm_madd_epi16(a.raw, b.raw)};
#else
  const D32 d32;
  const auto even = [d32](hn::Vec<D16> v) HWY_ATTR {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(d32, v)));
  };
  const auto odd = [d32](hn::Vec<D16> v)
                       HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(d32, v)); };
  return hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b)));
#endif
}

// Red, green and blue of one target pixel, and a fourth number that means nothing.
template <size_t kPairs>
HWY_INLINE hn::Vec<D32> TapSums(const uint8_t* row, const AcrossTaps& taps, size_t i) {
  // R R' G G' B B' of two pixels, widened to 16 bits; 128 and up gives 0.
  alignas(16) static constexpr uint8_t kPixelPairs[2][16] = {
      {0, 128, 3, 128, 1, 128, 4, 128, 2, 128, 5, 128, 128, 128, 128, 128},
      {6, 128, 9, 128, 7, 128, 10, 128, 8, 128, 11, 128, 128, 128, 128, 128}};
  const D8 d8;
  const D16 d16;
  const auto pixels = hn::LoadU(d8, row + taps.first[i]);
  auto sums = hn::Zero(D32());
  for (size_t k = 0; k < kPairs; ++k) {
    const auto pairs = hn::TableLookupBytesOr0(pixels, hn::Load(d8, kPixelPairs[k]));
    const auto weights = hn::LoadU(d16, taps.weight[kPairs * i + k].data());
    sums = hn::Add(sums, MultiplyPairs(hn::BitCast(d16, pairs), weights));
  }
  return sums;
}

// Of the 11-bit weights 7 are kept: the 15 bits that BlendTwoRows multiplies.
void TwoTaps(const uint8_t* row, const AcrossTaps& taps, int16_t* out) {
  const hn::Rebind<int16_t, D32> half;
  for (size_t i = 0; i < taps.count; ++i) {
    const auto sums = hn::ShiftRight<4>(TapSums<1>(row, taps, i));
    hn::StoreU(hn::DemoteTo(half, sums), half, out + 3 * i);
  }
}

void FourTaps(const uint8_t* row, const AcrossTaps& taps, int32_t* out) {
  for (size_t i = 0; i < taps.count; ++i) {
    hn::StoreU(TapSums<2>(row, taps, i), D32(), out + 3 * i);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

void BlendTwoRows(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, int16_t weight_a,
                  int16_t weight_b, size_t n, uint8_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const auto upper = static_cast<int16_t>((a[i] * weight_a) >> 16);
    const auto lower = static_cast<int16_t>((b[i] * weight_b) >> 16);
    out[i] = static_cast<uint8_t>(static_cast<int16_t>(upper + lower + 2) >> 2);
  }
}

void BlendFourRows(const int32_t* const* HWY_RESTRICT rows, const int16_t* HWY_RESTRICT weight,
                   size_t n, uint8_t* HWY_RESTRICT out) {
  const int32_t* HWY_RESTRICT a = rows[0];
  const int32_t* HWY_RESTRICT b = rows[1];
  const int32_t* HWY_RESTRICT c = rows[2];
  const int32_t* HWY_RESTRICT d = rows[3];
  const int32_t wa = weight[0];
  const int32_t wb = weight[1];
  const int32_t wc = weight[2];
  const int32_t wd = weight[3];
  for (size_t i = 0; i < n; ++i) {
    const int32_t sum = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd;
    // To the nearest level; of two, to the even one.
    const int32_t level = (sum + (1 << 21) - 1 + ((sum >> 22) & 1)) >> 22;
    out[i] = static_cast<uint8_t>(std::min(std::max(level, 0), 255));
  }
}

void AddWeightedBytes(const uint8_t* HWY_RESTRICT row, int32_t weight, size_t n,
                      int32_t* HWY_RESTRICT sums) {
  for (size_t i = 0; i < n; ++i) sums[i] += row[i] * weight;
}

// Means of blocks two pixels wide and high, the half rounded up.
void HalveRows(const uint8_t* HWY_RESTRICT a, const uint8_t* HWY_RESTRICT b, size_t pixels,
               uint8_t* HWY_RESTRICT out) {
  for (size_t x = 0; x < pixels; ++x) {
    for (size_t c = 0; c < 3; ++c) {
      const size_t i = 6 * x + c;
      out[3 * x + c] = static_cast<uint8_t>((a[i] + a[i + 3] + b[i] + b[i + 3] + 2) >> 2);
    }
  }
}

}  // namespace pomona::image::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::image {
namespace {

HWY_EXPORT(TwoTaps);
HWY_EXPORT(BlendTwoRows);
HWY_EXPORT(FourTaps);
HWY_EXPORT(BlendFourRows);
HWY_EXPORT(AddWeightedBytes);
HWY_EXPORT(HalveRows);

Image Blank(int width, int height) {
  return Image{
      width, height,
      std::vector<uint8_t>(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height))};
}
size_t RowSamples(const Image& image) { return size_t{3} * static_cast<size_t>(image.width); }
const uint8_t* Row(const Image& image, int y) {
  return image.rgb.data() + RowSamples(image) * static_cast<size_t>(y);
}
uint8_t* Row(Image& image, int y) {
  return image.rgb.data() + RowSamples(image) * static_cast<size_t>(y);
}

// ---- A fixed number of taps: OpenCV's linear and cubic.

constexpr int kWeightBits = 11;

int16_t ToWeight(float weight) {
  return static_cast<int16_t>(std::lrint(weight * static_cast<float>(1 << kWeightBits)));
}

// Target pixel i is made of source pixels first[i], first[i] + 1 ..., which may lie outside, where
// the edge is repeated, times weight[i].
template <size_t kTaps>
struct Taps {
  std::vector<int> first;
  std::vector<std::array<int16_t, kTaps>> weight;
};

// Where target pixel `i` lies in the source: its pixel to the left and how far beyond it.
struct Position {
  int left;
  float beyond;
};

Position CentreOf(int i, double scale) {
  const auto at = static_cast<float>((i + 0.5) * scale - 0.5);
  const int left = static_cast<int>(std::floor(at));
  return {left, at - static_cast<float>(left)};
}

// OpenCV's INTER_AREA where it enlarges: pixels keep sharp borders, blended where one crosses.
Position AreaPosition(int i, double scale) {
  const int left = static_cast<int>(std::floor(i * scale));
  const auto beyond = static_cast<float>((i + 1) - (left + 1) / scale);
  return {left, beyond <= 0 ? 0.0F : beyond - std::floor(beyond)};
}

using Locate = Position (*)(int, double);

// Along rows OpenCV gives the edge pixel all the weight where a tap falls outside; down columns it
// repeats the edge row under the weights there are.
enum class Edge { kSnap, kRepeat };

Taps<2> LinearTaps(int from, int to, Locate locate, Edge edge) {
  Taps<2> taps;
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    Position p = locate(i, scale);
    if (edge == Edge::kSnap && p.left < 0) p = {0, 0.0F};
    if (edge == Edge::kSnap && p.left >= from - 1) p = {from - 1, 0.0F};
    taps.first.push_back(p.left);
    taps.weight.push_back({ToWeight(1.0F - p.beyond), ToWeight(p.beyond)});
  }
  return taps;
}

// Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE ASSP 29(6), 1981.
std::array<float, 4> CubicWeights(float x) {
  constexpr float kA = -0.75F;
  const auto outer = [](float d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
  const auto inner = [](float d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
  std::array<float, 4> w = {outer(x + 1), inner(x), inner(1 - x), 0};
  w[3] = 1.0F - w[0] - w[1] - w[2];
  return w;
}

Taps<4> CubicTaps(int from, int to) {
  Taps<4> taps;
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const Position p = CentreOf(i, scale);
    taps.first.push_back(p.left - 1);
    taps.weight.emplace_back();
    std::ranges::transform(CubicWeights(p.beyond), taps.weight.back().begin(), ToWeight);
  }
  return taps;
}

// Source rows resampled along x; each is made once, when it is first needed, and kept while the
// kTaps rows of a target pixel can still need it.
template <typename T, size_t kTaps>
class ResampledRows {
 public:
  using Resample = void (*)(const uint8_t*, const AcrossTaps&, T*);

  ResampledRows(const Image& image, const Taps<kTaps>& across, Resample resample)
      : image_(image),
        padded_(RowSamples(image) + kBefore + kAfter),
        resample_(resample),
        which_(kTaps, -1),
        rows_(kTaps, std::vector<T>(3 * across.first.size() + 1)) {
    for (size_t i = 0; i < across.first.size(); ++i) {
      first_.push_back(3 * across.first[i] + static_cast<int>(kBefore));
      for (size_t k = 0; k < kTaps; k += 2) {
        const int16_t a = across.weight[i][k];
        const int16_t b = across.weight[i][k + 1];
        weight_.push_back({a, b, a, b, a, b, 0, 0});
      }
    }
  }

  // Row `y`, or the edge row nearest to it.
  const T* Get(int y) {
    y = std::clamp(y, 0, image_.height - 1);
    const auto slot = static_cast<size_t>(y) % kTaps;
    if (which_[slot] != y) Make(y, rows_[slot].data());
    which_[slot] = y;
    return rows_[slot].data();
  }

 private:
  static constexpr size_t kBefore = 6;  // two pixels
  static constexpr size_t kAfter = 16;  // two pixels, and what a load reads beyond them

  void Make(int y, T* out) {
    const uint8_t* row = Row(image_, y);
    const size_t samples = RowSamples(image_);
    std::copy_n(row, samples, padded_.begin() + kBefore);
    for (size_t i = 0; i < 6; ++i) {
      padded_[i] = row[i % 3];
      padded_[kBefore + samples + i] = row[samples - 3 + i % 3];
    }
    resample_(padded_.data(), {first_.data(), weight_.data(), first_.size()}, out);
  }

  const Image& image_;
  std::vector<uint8_t> padded_;
  Resample resample_;
  std::vector<int32_t> first_;
  std::vector<std::array<int16_t, 8>> weight_;
  std::vector<int> which_;
  std::vector<std::vector<T>> rows_;
};

Image ResizeLinear(const Image& image, int width, int height, Locate locate) {
  Image out = Blank(width, height);
  const Taps<2> down = LinearTaps(image.height, height, locate, Edge::kRepeat);
  ResampledRows<int16_t, 2> rows(image, LinearTaps(image.width, width, locate, Edge::kSnap),
                                 HWY_DYNAMIC_DISPATCH(TwoTaps));
  for (int y = 0; y < height; ++y) {
    const int first = down.first[static_cast<size_t>(y)];
    const auto [upper, lower] = down.weight[static_cast<size_t>(y)];
    HWY_DYNAMIC_DISPATCH(BlendTwoRows)
    (rows.Get(first), rows.Get(first + 1), upper, lower, RowSamples(out), Row(out, y));
  }
  return out;
}

// ---- A varying number of taps: means over areas, and Pillow's widened triangle.

constexpr int kFineBits = 22;  // of the triangle's weights

// Source pixels first, first + 1 ... with their weights.
template <typename T>
struct Span {
  int first = 0;
  std::vector<T> weight;
};

// Each target pixel's cell as OpenCV cuts it, slivers below a thousandth of a pixel left out.
std::vector<Span<float>> AreaSpans(int from, int to) {
  constexpr double kSliver = 1e-3;
  const double scale = static_cast<double>(from) / to;
  std::vector<Span<float>> spans(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double begin = i * scale;
    const double end = begin + scale;
    const double cell = std::min(scale, from - begin);
    const int whole_end = std::min(static_cast<int>(std::floor(end)), from - 1);
    const int whole_begin = std::min(static_cast<int>(std::ceil(begin)), whole_end);
    Span<float>& span = spans[static_cast<size_t>(i)];
    const auto add = [&span, cell](double covered) {
      span.weight.push_back(static_cast<float>(covered / cell));
    };
    const bool head = whole_begin - begin > kSliver;
    span.first = head ? whole_begin - 1 : whole_begin;
    if (head) add(whole_begin - begin);
    for (int j = whole_begin; j < whole_end; ++j) add(1);
    if (end - whole_end > kSliver) add(std::min({end - whole_end, 1.0, cell}));
  }
  return spans;
}

// Pillow's precomputed coefficients of its triangle filter.
std::vector<Span<uint32_t>> TriangleSpans(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double support = std::max(scale, 1.0);
  std::vector<Span<uint32_t>> spans(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(std::floor(centre - support + 0.5)), 0);
    const int end = std::min(static_cast<int>(std::floor(centre + support + 0.5)), from);
    std::vector<double> weights;
    double total = 0;
    for (int j = first; j < end; ++j) {
      const double distance = std::abs((j - centre + 0.5) / support);
      weights.push_back(std::max(0.0, 1.0 - distance));
      total += weights.back();
    }
    Span<uint32_t>& span = spans[static_cast<size_t>(i)];
    span.first = first;
    for (const double w : weights) {
      span.weight.push_back(static_cast<uint32_t>(std::lround(w / total * (1 << kFineBits))));
    }
  }
  return spans;
}

// Products and sums that are not fused, wherever the compiler could: the last bit of a float
// decides which way a value midway between two levels goes.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

// Samples times weights along a row, summed in order.
template <typename T>
void SpansAcross(const uint8_t* row, const std::vector<Span<T>>& spans, T* sums) {
  for (const Span<T>& span : spans) {
    T red = 0;
    T green = 0;
    T blue = 0;
    const uint8_t* pixel = row + 3 * static_cast<std::ptrdiff_t>(span.first);
    for (const T weight : span.weight) {
      red += weight * pixel[0];
      green += weight * pixel[1];
      blue += weight * pixel[2];
      pixel += 3;
    }
    sums[0] = red;
    sums[1] = green;
    sums[2] = blue;
    sums += 3;
  }
}

void AddWeighted(const std::vector<float>& row, float weight, std::vector<float>* sums) {
  for (size_t i = 0; i < row.size(); ++i) (*sums)[i] += row[i] * weight;
}

#if !defined(__clang__) && defined(__GNUC__)
#pragma GCC pop_options
#endif

uint8_t RoundFine(uint32_t sum) {
  return static_cast<uint8_t>(
      std::min<uint32_t>((sum + (1U << (kFineBits - 1))) >> kFineBits, 255));
}

uint8_t RoundToEven(float value) {
  return static_cast<uint8_t>(std::clamp(std::lrint(value), 0L, 255L));
}

Image AreaMeans(const Image& image, int width, int height) {
  Image out = Blank(width, height);
  const std::vector<Span<float>> across = AreaSpans(image.width, width);
  const std::vector<Span<float>> down = AreaSpans(image.height, height);
  std::vector<float> row(RowSamples(out));
  std::vector<float> sums(RowSamples(out));
  int made = -1;  // which source row `row` is: neighbouring cells share one
  for (int y = 0; y < height; ++y) {
    std::ranges::fill(sums, 0.0F);
    const Span<float>& span = down[static_cast<size_t>(y)];
    for (size_t j = 0; j < span.weight.size(); ++j) {
      const int from = span.first + static_cast<int>(j);
      if (from != made) SpansAcross(Row(image, from), across, row.data());
      made = from;
      AddWeighted(row, span.weight[j], &sums);
    }
    std::ranges::transform(sums, Row(out, y), RoundToEven);
  }
  return out;
}

// Whole blocks of pixels: OpenCV multiplies their sum by a float and rounds half to even.
Image BlockMeans(const Image& image, int width, int height) {
  Image out = Blank(width, height);
  const int across = image.width / width;
  const int down = image.height / height;
  const float scale = 1.0F / static_cast<float>(across * down);
  for (int y = 0; y < height; ++y) {
    uint8_t* to = Row(out, y);
    for (int i = 0; i < 3 * width; ++i) {
      const int first = i / 3 * across * 3 + i % 3;
      int64_t sum = 0;
      for (int dy = 0; dy < down; ++dy) {
        const uint8_t* from = Row(image, y * down + dy) + first;
        for (std::ptrdiff_t dx = 0; dx < across; ++dx) sum += from[3 * dx];
      }
      to[i] = RoundToEven(static_cast<float>(sum) * scale);
    }
  }
  return out;
}

Image Halve(const Image& image) {
  Image out = Blank(image.width / 2, image.height / 2);
  for (int y = 0; y < out.height; ++y) {
    HWY_DYNAMIC_DISPATCH(HalveRows)
    (Row(image, 2 * y), Row(image, 2 * y + 1), static_cast<size_t>(out.width), Row(out, y));
  }
  return out;
}

bool IsHalf(const Image& image, int width, int height) {
  return image.width == 2 * width && image.height == 2 * height;
}

Image TriangleAcross(const Image& image, int width) {
  Image out = Blank(width, image.height);
  const std::vector<Span<uint32_t>> spans = TriangleSpans(image.width, width);
  std::vector<uint32_t> sums(RowSamples(out));
  for (int y = 0; y < image.height; ++y) {
    SpansAcross(Row(image, y), spans, sums.data());
    std::ranges::transform(sums, Row(out, y), RoundFine);
  }
  return out;
}

Image TriangleDown(const Image& image, int height) {
  Image out = Blank(image.width, height);
  const std::vector<Span<uint32_t>> spans = TriangleSpans(image.height, height);
  std::vector<int32_t> sums(RowSamples(out));
  for (int y = 0; y < height; ++y) {
    std::ranges::fill(sums, 0);
    const Span<uint32_t>& span = spans[static_cast<size_t>(y)];
    for (size_t j = 0; j < span.weight.size(); ++j) {
      HWY_DYNAMIC_DISPATCH(AddWeightedBytes)
      (Row(image, span.first + static_cast<int>(j)), static_cast<int32_t>(span.weight[j]),
       sums.size(), sums.data());
    }
    std::ranges::transform(sums, Row(out, y),
                           [](int32_t sum) { return RoundFine(static_cast<uint32_t>(sum)); });
  }
  return out;
}

}  // namespace

Image ResizeBilinear(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  if (IsHalf(image, width, height)) return Halve(image);
  return ResizeLinear(image, width, height, &CentreOf);
}

Image ResizeArea(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  if (image.width < width || image.height < height) {
    return ResizeLinear(image, width, height, &AreaPosition);
  }
  if (IsHalf(image, width, height)) return Halve(image);
  if (image.width % width == 0 && image.height % height == 0) {
    return BlockMeans(image, width, height);
  }
  return AreaMeans(image, width, height);
}

Image ResizeBicubic(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  Image out = Blank(width, height);
  const Taps<4> down = CubicTaps(image.height, height);
  ResampledRows<int32_t, 4> rows(image, CubicTaps(image.width, width),
                                 HWY_DYNAMIC_DISPATCH(FourTaps));
  for (int y = 0; y < height; ++y) {
    const int first = down.first[static_cast<size_t>(y)];
    const std::array<const int32_t*, 4> from = {rows.Get(first), rows.Get(first + 1),
                                                rows.Get(first + 2), rows.Get(first + 3)};
    HWY_DYNAMIC_DISPATCH(BlendFourRows)
    (from.data(), down.weight[static_cast<size_t>(y)].data(), RowSamples(out), Row(out, y));
  }
  return out;
}

Image ResizePilBilinear(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  if (image.width == width) return TriangleDown(image, height);
  if (image.height == height) return TriangleAcross(image, width);
  return TriangleDown(TriangleAcross(image, width), height);
}

}  // namespace pomona::image
#endif  // HWY_ONCE
