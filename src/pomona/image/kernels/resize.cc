// Loops over rows, compiled once for every instruction set; Highway chooses at run time.
#include "pomona/image/kernels/resize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/resize.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#ifndef POMONA_IMAGE_KERNELS_RESIZE_TAPS
#define POMONA_IMAGE_KERNELS_RESIZE_TAPS
namespace pomona::image {

// How target pixels are made along a row: from 2 kPairs neighbouring source pixels each, the first
// of which begins at byte first[i], times weight[k * count + i] for pair k. A weight has 11 bits
// and is there once a sample: w w' w w' w w' 0 0 for two pixels.
struct AcrossTaps {
  const int32_t* first;
  const std::array<int16_t, 8>* weight;
  size_t count;  // a multiple of kPixelBlock
};

inline constexpr size_t kPixelBlock = 4;
// Blended rows are made in vectors of at most so many samples.
inline constexpr size_t kSampleBlock = 64;

}  // namespace pomona::image
#endif

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE int32_t TapSum(const uint8_t* row, const AcrossTaps& taps, size_t pairs, size_t i) {
  const size_t x = i / 3;
  const uint8_t* from = row + taps.first[x] + i % 3;
  int32_t sum = 0;
  for (size_t k = 0; k < pairs; ++k) {
    const std::array<int16_t, 8>& weight = taps.weight[k * taps.count + x];
    sum += from[6 * k] * weight[0] + from[6 * k + 3] * weight[1];
  }
  return sum;
}

void TwoTaps(const uint8_t* row, const AcrossTaps& taps, int16_t* out) {
  for (size_t i = 0; i < 3 * taps.count; ++i) {
    out[i] = static_cast<int16_t>(TapSum(row, taps, 1, i) >> 4);
  }
}

void FourTaps(const uint8_t* row, const AcrossTaps& taps, int32_t* out) {
  for (size_t i = 0; i < 3 * taps.count; ++i) out[i] = TapSum(row, taps, 2, i);
}

void BlendFourRows(const int32_t* const* rows, const int16_t* weight, size_t n, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) {
    int32_t sum = 0;
    for (size_t k = 0; k < 4; ++k) sum += rows[k][i] * weight[k];
    const int32_t level = (sum + (1 << 21) - 1 + ((sum >> 22) & 1)) >> 22;
    out[i] = static_cast<uint8_t>(std::min(std::max(level, 0), 255));
  }
}

#else

namespace hn = hwy::HWY_NAMESPACE;

#define POMONA_AVX512 (HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL)

// Vectors of kPixels pixels, of which each has 16 bytes of its own.
#if POMONA_AVX512
using D8 = hn::FixedTag<uint8_t, 64>;
#elif HWY_TARGET == HWY_AVX2
using D8 = hn::FixedTag<uint8_t, 32>;
#else
using D8 = hn::FixedTag<uint8_t, 16>;
#endif
using D16 = hn::Repartition<int16_t, D8>;
using D32 = hn::Repartition<int32_t, D8>;
using V8 = hn::Vec<D8>;
using V16 = hn::Vec<D16>;
using V32 = hn::Vec<D32>;
constexpr size_t kPixels = hn::MaxLanes(D8()) / 16;
constexpr size_t kLanes = hn::MaxLanes(D32());

// a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]
HWY_INLINE V32 MultiplyPairs(V16 a, V16 b) {
#if POMONA_AVX512
  return V32{_mm512_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return V32{_mm256_madd_epi16(a.raw, b.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  return V32{_mm_madd_epi16(a.raw, b.raw)};
#else
  const D32 d32;
  const auto even = [d32](V16 v) HWY_ATTR {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(d32, v)));
  };
  const auto odd = [d32](V16 v) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(d32, v)); };
  return hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b)));
#endif
}

// 16 bytes from each of the places in `row` that the next pixels begin at.
template <class D>
HWY_INLINE hn::Vec<D> LoadPixels(D d, const uint8_t* row, const int32_t* first) {
  if constexpr (hn::MaxLanes(D()) == 16) {
    return hn::LoadU(d, row + *first);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadPixels(half, row, first + hn::MaxLanes(half) / 16),
                       LoadPixels(half, row, first));
  }
}

// Red, green and blue of kPixels target pixels, and a fourth number each that means nothing.
template <size_t kPairs>
HWY_INLINE V32 TapSums(const uint8_t* row, const AcrossTaps& taps, size_t i) {
  // R R' G G' B B' of two pixels, widened to 16 bits; 128 and up gives 0.
  alignas(16) static constexpr uint8_t kPixelPairs[2][16] = {
      {0, 128, 3, 128, 1, 128, 4, 128, 2, 128, 5, 128, 128, 128, 128, 128},
      {6, 128, 9, 128, 7, 128, 10, 128, 8, 128, 11, 128, 128, 128, 128, 128}};
  const D8 d8;
  const V8 pixels = LoadPixels(d8, row, taps.first + i);
  V32 sums = hn::Zero(D32());
  for (size_t k = 0; k < kPairs; ++k) {
    const V8 pairs = hn::TableLookupBytesOr0(pixels, hn::LoadDup128(d8, kPixelPairs[k]));
    const V16 weights = hn::LoadU(D16(), taps.weight[k * taps.count + i].data());
    sums = hn::Add(sums, MultiplyPairs(hn::BitCast(D16(), pairs), weights));
  }
  return sums;
}

// Stores of each 16 bytes the first 3 numbers of D's, the last of all with one that means nothing.
template <class D>
HWY_INLINE void StorePixels(hn::Vec<D> v, D d, hn::TFromD<D>* out) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    hn::StoreU(v, d, out);
  } else {
    const hn::Half<D> half;
    StorePixels(hn::LowerHalf(half, v), half, out);
    StorePixels(hn::UpperHalf(half, v), half, out + hn::MaxLanes(half) / 4 * 3);
  }
}

// Of the 11-bit weights 7 are kept: the 15 bits that BlendTwoRows multiplies.
void TwoTaps(const uint8_t* row, const AcrossTaps& taps, int16_t* out) {
  const hn::Rebind<int16_t, D32> half;
  for (size_t i = 0; i < taps.count; i += kPixels) {
    const V32 sums = hn::ShiftRight<4>(TapSums<1>(row, taps, i));
    StorePixels(hn::DemoteTo(half, sums), half, out + 3 * i);
  }
}

// Sums of pixels have 20 bits, of which the middle is taken away: what is above the lower 4 then
// fits into 16, and BlendFourRows can multiply both parts as a pair. Their sign is turned, as is
// that of its weights: a weight of 1 (2048) fits into 16 bits with 4 more only below zero.
constexpr int32_t kMiddle = 1 << 18;
constexpr int kLowBits = 4;

void FourTaps(const uint8_t* row, const AcrossTaps& taps, int32_t* out) {
  const D32 d32;
  const V32 middle = hn::Set(d32, kMiddle);
  const V32 low = hn::Set(d32, (1 << kLowBits) - 1);
  const V32 upper_half = hn::Set(d32, -0x10000);
  for (size_t i = 0; i < taps.count; i += kPixels) {
    const V32 sums = hn::Sub(middle, TapSums<2>(row, taps, i));
    const V32 high = hn::And(hn::ShiftLeft<16 - kLowBits>(sums), upper_half);
    StorePixels(hn::Or(high, hn::And(sums, low)), d32, out + 3 * i);
  }
}

// Levels of four vectors, held within 0 ... 255.
HWY_INLINE void StoreLevels(const V32* levels, uint8_t* out) {
#if POMONA_AVX512
  const __m512i words[2] = {_mm512_packs_epi32(levels[0].raw, levels[1].raw),
                            _mm512_packs_epi32(levels[2].raw, levels[3].raw)};
  // Packed within 16 bytes each: the four bytes of every vector and lane, lane by lane.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words[0], words[1]));
  _mm512_storeu_si512(out, bytes);
#else
  const hn::Rebind<uint8_t, D32> bytes;
  for (size_t i = 0; i < 4; ++i)
    hn::StoreU(hn::DemoteTo(bytes, levels[i]), bytes, out + i * kLanes);
#endif
}

void BlendFourRows(const int32_t* const* rows, const int16_t* weight, size_t n, uint8_t* out) {
  const D32 d32;
  std::array<V16, 4> minus;
  int32_t total = 0;
  for (size_t k = 0; k < 4; ++k) {
    const int32_t w = -weight[k];
    minus[k] = hn::BitCast(D16(), hn::Set(d32, (w << kLowBits) * 0x10000 + (w & 0xffff)));
    total += weight[k];
  }
  const V32 half = hn::Set(d32, total * kMiddle + (1 << 21));
  const V32 fraction = hn::Set(d32, (1 << 22) - 1);
  for (size_t i = 0; i < n; i += 4 * kLanes) {
    V32 levels[4];
    for (size_t j = 0; j < 4; ++j) {
      V32 sum = half;
      for (size_t k = 0; k < 4; ++k) {
        const V32 pairs = hn::Load(d32, rows[k] + i + j * kLanes);
        sum = hn::Add(sum, MultiplyPairs(hn::BitCast(D16(), pairs), minus[k]));
      }
      // To the nearest level; of two, to the even one.
      const auto tie = hn::Eq(hn::And(sum, fraction), hn::Zero(d32));
      const V32 level = hn::ShiftRight<22>(sum);
      levels[j] = hn::IfThenElse(tie, hn::And(level, hn::Set(d32, -2)), level);
    }
    StoreLevels(levels, out + i);
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

// The nearest whole number, of two the even one, of a number below 2^22: what std::lrint gives,
// which is a call where the compiler may not assume SSE4.1.
int32_t RoundSmall(float value) {
  constexpr float kRound = 3 << 22;
  return std::bit_cast<int32_t>(value + kRound) - std::bit_cast<int32_t>(kRound);
}

int16_t ToWeight(float weight) {
  return static_cast<int16_t>(RoundSmall(weight * static_cast<float>(1 << kWeightBits)));
}

// Target pixel i is made of source pixels first[i], first[i] + 1 ..., which may lie outside, where
// the edge is repeated, times weight[i].
template <size_t kTaps>
struct Taps {
  explicit Taps(int size) : first(static_cast<size_t>(size)), weight(first.size()) {}
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
  const int towards_zero = static_cast<int>(at);
  const int left = towards_zero - (static_cast<float>(towards_zero) > at ? 1 : 0);
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
  Taps<2> taps(to);
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    Position p = locate(i, scale);
    if (edge == Edge::kSnap && p.left < 0) p = {0, 0.0F};
    if (edge == Edge::kSnap && p.left >= from - 1) p = {from - 1, 0.0F};
    const auto at = static_cast<size_t>(i);
    taps.first[at] = p.left;
    taps.weight[at] = {ToWeight(1.0F - p.beyond), ToWeight(p.beyond)};
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
  Taps<4> taps(to);
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const Position p = CentreOf(i, scale);
    const auto at = static_cast<size_t>(i);
    taps.first[at] = p.left - 1;
    std::ranges::transform(CubicWeights(p.beyond), taps.weight[at].begin(), ToWeight);
  }
  return taps;
}

// Where taps lie outside 0 ... size - 1, their weights go to the pixel at the edge.
template <size_t kTaps>
void FoldEdges(int size, Taps<kTaps>* taps) {
  const int last = std::max(size - static_cast<int>(kTaps), 0);
  for (size_t i = 0; i < taps->first.size(); ++i) {
    const int first = taps->first[i];
    if (first >= 0 && first + static_cast<int>(kTaps) <= size) continue;
    const std::array<int16_t, kTaps> weight = std::exchange(taps->weight[i], {});
    taps->first[i] = std::clamp(first, 0, last);
    for (int k = 0; k < static_cast<int>(kTaps); ++k) {
      const int at = std::clamp(first + k, 0, size - 1) - taps->first[i];
      taps->weight[i][static_cast<size_t>(at)] += weight[static_cast<size_t>(k)];
    }
  }
}

// Source rows resampled along x; each is made once, when it is first needed, and kept while the
// kTaps rows of a target pixel can still need it.
template <typename T, size_t kTaps>
class ResampledRows {
 public:
  using Resample = void (*)(const uint8_t*, const AcrossTaps&, T*);

  ResampledRows(const Image& image, Taps<kTaps> across, Resample resample)
      : image_(image),
        last_(RowSamples(image) + kLoad),
        resample_(resample),
        count_(RoundUp(across.first.size(), kPixelBlock)),
        first_(count_),
        weight_(count_ * kTaps / 2),
        row_size_(RoundUp(3 * count_ + 1, kSampleBlock)),
        rows_(hwy::AllocateAligned<T>(kTaps * row_size_)) {
    std::fill_n(rows_.get(), kTaps * row_size_, T{0});
    which_.fill(-1);
    FoldEdges(image.width, &across);
    for (size_t i = 0; i < across.first.size(); ++i) {
      first_[i] = 3 * across.first[i];
      for (size_t k = 0; k < kTaps / 2; ++k) {
        const int16_t a = across.weight[i][2 * k];
        const int16_t b = across.weight[i][2 * k + 1];
        weight_[k * count_ + i] = {a, b, a, b, a, b, 0, 0};
      }
    }
  }

  // Row `y`, or the edge row nearest to it: aligned, whole blocks of kSampleBlock.
  const T* Get(int y) {
    y = std::clamp(y, 0, image_.height - 1);
    const size_t slot = static_cast<size_t>(y) % kTaps;
    T* row = rows_.get() + slot * row_size_;
    if (which_[slot] != y) Make(y, row);
    which_[slot] = y;
    return row;
  }

 private:
  static constexpr size_t kLoad = 16;  // bytes at once, that may go beyond a row

  static size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

  void Make(int y, T* out) {
    const uint8_t* row = Row(image_, y);
    const size_t samples = RowSamples(image_);
    if (row + samples + kLoad > image_.rgb.data() + image_.rgb.size()) {
      std::copy_n(row, samples, last_.begin());
      row = last_.data();
    }
    resample_(row, {first_.data(), weight_.data(), count_}, out);
  }

  const Image& image_;
  std::vector<uint8_t> last_;  // a row that nothing follows in memory
  Resample resample_;
  size_t count_;
  std::vector<int32_t> first_;
  std::vector<std::array<int16_t, 8>> weight_;
  std::array<int, kTaps> which_;
  size_t row_size_;
  hwy::AlignedFreeUniquePtr<T[]> rows_;
};

// An image whose rows are made one after the other.
class ImageOfRows {
 public:
  ImageOfRows(int width, int height)
      : image_{width, height, {}}, row_(RowSamples(image_) + kSampleBlock) {
    image_.rgb.reserve(RowSamples(image_) * static_cast<size_t>(height));
  }

  // Makes the next row by a call of `fill` with the number of samples and where to put them, where
  // kSampleBlock - 1 more may be written.
  template <typename Fill>
  void Add(const Fill& fill) {
    fill(RowSamples(image_), row_.data());
    image_.rgb.insert(image_.rgb.end(), row_.data(), row_.data() + RowSamples(image_));
  }

  Image Take() { return std::move(image_); }

 private:
  Image image_;
  std::vector<uint8_t> row_;
};

Image ResizeLinear(const Image& image, int width, int height, Locate locate) {
  ImageOfRows out(width, height);
  const Taps<2> down = LinearTaps(image.height, height, locate, Edge::kRepeat);
  ResampledRows<int16_t, 2> rows(image, LinearTaps(image.width, width, locate, Edge::kSnap),
                                 HWY_DYNAMIC_DISPATCH(TwoTaps));
  for (size_t y = 0; y < down.first.size(); ++y) {
    const int16_t* upper = rows.Get(down.first[y]);
    const int16_t* lower = rows.Get(down.first[y] + 1);
    out.Add([&](size_t samples, uint8_t* to) {
      HWY_DYNAMIC_DISPATCH(BlendTwoRows)
      (upper, lower, down.weight[y][0], down.weight[y][1], samples, to);
    });
  }
  return out.Take();
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
  ImageOfRows out(width, height);
  const Taps<4> down = CubicTaps(image.height, height);
  ResampledRows<int32_t, 4> rows(image, CubicTaps(image.width, width),
                                 HWY_DYNAMIC_DISPATCH(FourTaps));
  for (size_t y = 0; y < down.first.size(); ++y) {
    const int first = down.first[y];
    const std::array<const int32_t*, 4> from = {rows.Get(first), rows.Get(first + 1),
                                                rows.Get(first + 2), rows.Get(first + 3)};
    out.Add([&](size_t samples, uint8_t* to) {
      HWY_DYNAMIC_DISPATCH(BlendFourRows)(from.data(), down.weight[y].data(), samples, to);
    });
  }
  return out.Take();
}

Image ResizePilBilinear(const Image& image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  if (image.width == width) return TriangleDown(image, height);
  if (image.height == height) return TriangleAcross(image, width);
  return TriangleDown(TriangleAcross(image, width), height);
}

}  // namespace pomona::image
#endif  // HWY_ONCE
