// Plain loops over rows, compiled once for every instruction set so that the compiler vectorises
// them for each; Highway chooses at run time.
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

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

void Widen(const uint8_t* HWY_RESTRICT row, size_t n, int32_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) out[i] = row[i];
}

// Two taps of 11-bit weight, of which 7 are kept: the 15 bits that BlendTwoRows multiplies.
void TwoTaps(const int32_t* HWY_RESTRICT row, const int32_t* HWY_RESTRICT index,
             const int32_t* HWY_RESTRICT weight, size_t n, int16_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const int32_t sum = row[index[i]] * weight[i] + row[index[n + i]] * weight[n + i];
    out[i] = static_cast<int16_t>(sum >> 4);
  }
}

void BlendTwoRows(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, int16_t weight_a,
                  int16_t weight_b, size_t n, uint8_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    const auto upper = static_cast<int16_t>((a[i] * weight_a) >> 16);
    const auto lower = static_cast<int16_t>((b[i] * weight_b) >> 16);
    out[i] = static_cast<uint8_t>(static_cast<int16_t>(upper + lower + 2) >> 2);
  }
}

void FourTaps(const int32_t* HWY_RESTRICT row, const int32_t* HWY_RESTRICT index,
              const int32_t* HWY_RESTRICT weight, size_t n, int32_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = row[index[i]] * weight[i] + row[index[n + i]] * weight[n + i] +
             row[index[2 * n + i]] * weight[2 * n + i] + row[index[3 * n + i]] * weight[3 * n + i];
  }
}

void BlendFourRows(const int32_t* const* HWY_RESTRICT rows, const int32_t* HWY_RESTRICT weight,
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

HWY_EXPORT(Widen);
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

int32_t ToWeight(float weight) {
  return static_cast<int32_t>(std::lrint(weight * static_cast<float>(1 << kWeightBits)));
}

// Which source pixels each of `size` target pixels is made of: tap k of pixel i is at [k][i].
struct Taps {
  std::array<std::vector<int32_t>, 4> index;
  std::array<std::vector<int32_t>, 4> weight;
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

Taps LinearTaps(int from, int to, Locate locate, Edge edge) {
  Taps taps;
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    Position p = locate(i, scale);
    if (edge == Edge::kSnap && p.left < 0) p = {0, 0.0F};
    if (edge == Edge::kSnap && p.left >= from - 1) p = {from - 1, 0.0F};
    taps.index[0].push_back(std::clamp(p.left, 0, from - 1));
    taps.index[1].push_back(std::clamp(p.left + 1, 0, from - 1));
    taps.weight[0].push_back(ToWeight(1.0F - p.beyond));
    taps.weight[1].push_back(ToWeight(p.beyond));
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

Taps CubicTaps(int from, int to) {
  Taps taps;
  const double scale = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const Position p = CentreOf(i, scale);
    const std::array<float, 4> weights = CubicWeights(p.beyond);
    for (int k = 0; k < 4; ++k) {
      taps.index[k].push_back(std::clamp(p.left - 1 + k, 0, from - 1));
      taps.weight[k].push_back(ToWeight(weights[k]));
    }
  }
  return taps;
}

// Taps of pixels along a row as taps of its samples, tap after tap.
struct SampleTaps {
  std::vector<int32_t> index;
  std::vector<int32_t> weight;
};

SampleTaps PerSample(const Taps& taps, int count) {
  SampleTaps out;
  for (int k = 0; k < count; ++k) {
    for (size_t i = 0; i < taps.index[k].size(); ++i) {
      for (int c = 0; c < 3; ++c) {
        out.index.push_back(3 * taps.index[k][i] + c);
        out.weight.push_back(taps.weight[k][i]);
      }
    }
  }
  return out;
}

// Source rows resampled along x; each is made once, when it is first needed, and kept while the
// `count` rows of a target pixel's taps can still need it.
template <typename T>
class ResampledRows {
 public:
  using Resample = void (*)(const int32_t*, const int32_t*, const int32_t*, size_t, T*);

  ResampledRows(const Image& image, const Taps& across, int count, Resample resample)
      : image_(image),
        taps_(PerSample(across, count)),
        samples_(3 * across.index[0].size()),
        wide_(RowSamples(image)),
        resample_(resample),
        rows_(static_cast<size_t>(count), std::vector<T>(samples_)),
        which_(static_cast<size_t>(count), -1) {}

  const T* Get(int y) {
    const auto slot = static_cast<size_t>(y) % rows_.size();
    if (which_[slot] != y) {
      HWY_DYNAMIC_DISPATCH(Widen)(Row(image_, y), wide_.size(), wide_.data());
      resample_(wide_.data(), taps_.index.data(), taps_.weight.data(), samples_,
                rows_[slot].data());
      which_[slot] = y;
    }
    return rows_[slot].data();
  }

 private:
  const Image& image_;
  SampleTaps taps_;
  size_t samples_;
  std::vector<int32_t> wide_;
  Resample resample_;
  std::vector<std::vector<T>> rows_;
  std::vector<int> which_;
};

Image ResizeLinear(const Image& image, int width, int height, Locate locate) {
  Image out = Blank(width, height);
  const Taps across = LinearTaps(image.width, width, locate, Edge::kSnap);
  const Taps down = LinearTaps(image.height, height, locate, Edge::kRepeat);
  ResampledRows<int16_t> rows(image, across, 2, HWY_DYNAMIC_DISPATCH(TwoTaps));
  for (int y = 0; y < height; ++y) {
    HWY_DYNAMIC_DISPATCH(BlendTwoRows)
    (rows.Get(down.index[0][y]), rows.Get(down.index[1][y]),
     static_cast<int16_t>(down.weight[0][y]), static_cast<int16_t>(down.weight[1][y]),
     RowSamples(out), Row(out, y));
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
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int end = std::min(static_cast<int>(centre + support + 0.5), from);
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
      span.weight.push_back(static_cast<uint32_t>(w / total * (1 << kFineBits) + 0.5));
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
        for (int dx = 0; dx < across; ++dx) sum += from[3 * dx];
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
  const Taps down = CubicTaps(image.height, height);
  ResampledRows<int32_t> rows(image, CubicTaps(image.width, width), 4,
                              HWY_DYNAMIC_DISPATCH(FourTaps));
  for (int y = 0; y < height; ++y) {
    std::array<const int32_t*, 4> from = {};
    std::array<int32_t, 4> weight = {};
    for (int k = 0; k < 4; ++k) {
      from[k] = rows.Get(down.index[k][y]);
      weight[k] = down.weight[k][y];
    }
    HWY_DYNAMIC_DISPATCH(BlendFourRows)(from.data(), weight.data(), RowSamples(out), Row(out, y));
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
