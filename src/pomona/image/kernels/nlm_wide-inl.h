// Non-local means with sums of 32 bits, for weights of any number.
// Once per instruction set, hence no #pragma once.
#if defined(POMONA_IMAGE_KERNELS_NLM_WIDE) == defined(HWY_TARGET_TOGGLE)
#ifdef POMONA_IMAGE_KERNELS_NLM_WIDE
#undef POMONA_IMAGE_KERNELS_NLM_WIDE
#else
#define POMONA_IMAGE_KERNELS_NLM_WIDE
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#include "pomona/image/kernels/nlm_bands.h"

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE::wide {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most 64 bytes, which kLanes is a multiple of.
using D32 = hn::CappedTag<int32_t, 16>;
using V32 = hn::Vec<D32>;

// ---- Squares of differences.

#if HWY_TARGET == HWY_SCALAR

// The bytes of pairs around an image column, less those of its centre.
class Differences {
 public:
  Differences(const int8_t* band, int x)
      : pairs_(band + 2 * FirstPosition(x)), centre_(band + 2 * CentrePosition(x)) {}

  // Of the position `lane`: the squares of both.
  V32 SumOfSquares(size_t lane) const { return hn::Set(D32(), Square(lane, 0) + Square(lane, 1)); }
  V32 DifferenceOfSquares(size_t lane) const {
    return hn::Set(D32(), Square(lane, 0) - Square(lane, 1));
  }

 private:
  int32_t Square(size_t lane, size_t i) const {
    const int32_t difference = pairs_[2 * lane + i] - centre_[i];
    return difference * difference;
  }

  const int8_t* pairs_;
  const int8_t* centre_;
};

// Products of weights and levels, which fit into 16 bits.
HWY_INLINE V32 Multiply(V32 weights, V32 levels) { return hn::Mul(weights, levels); }

#else

using D16 = hn::Repartition<int16_t, D32>;
using V16 = hn::Vec<D16>;

// a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1].
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
HWY_INLINE V32 MultiplyPairs(V16 a, V16 b) { return V32{_mm_madd_epi16(a.raw, b.raw)}; }
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE V32 MultiplyPairs(V16 a, V16 b) { return V32{_mm256_madd_epi16(a.raw, b.raw)}; }
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
HWY_INLINE V32 MultiplyPairs(V16 a, V16 b) { return V32{_mm512_madd_epi16(a.raw, b.raw)}; }
#else
HWY_INLINE V32 MultiplyPairs(V16 a, V16 b) {
  const D32 d32;
  const auto even = [d32](V16 v) HWY_ATTR {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(d32, v)));
  };
  const auto odd = [d32](V16 v) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(d32, v)); };
  return hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b)));
}
#endif

// Odd entries of `v` with their sign turned.
HWY_INLINE V16 NegateOdd(V16 v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return V16{_mm512_mask_sub_epi16(v.raw, 0xaaaaaaaaU, _mm512_setzero_si512(), v.raw)};
#else
  const V16 odd = hn::BitCast(D16(), hn::Set(D32(), -0x10000));
  return hn::Sub(hn::Xor(v, odd), odd);
#endif
}

// The pairs of bytes around an image column, less that of its centre.
class Differences {
 public:
  Differences(const int8_t* band, int x)
      : pairs_(band + 2 * FirstPosition(x)), centre_(SetPair(band + 2 * CentrePosition(x))) {}

  // Of the positions from `lane` on: the squares of both.
  HWY_INLINE V32 SumOfSquares(size_t lane) const {
    const V16 d = At(lane);
    return MultiplyPairs(d, d);
  }
  HWY_INLINE V32 DifferenceOfSquares(size_t lane) const {
    const V16 d = At(lane);
    return MultiplyPairs(d, NegateOdd(d));
  }

 private:
  static HWY_INLINE V16 SetPair(const int8_t* pair) {
    const uint32_t bits =
        static_cast<uint32_t>(pair[1]) << 16 | (static_cast<uint32_t>(pair[0]) & 0xffff);
    return hn::BitCast(D16(), hn::Set(D32(), static_cast<int32_t>(bits)));
  }

  HWY_INLINE V16 At(size_t lane) const {
    const hn::Rebind<int8_t, D16> bytes;
    return hn::Sub(hn::PromoteTo(D16(), hn::LoadU(bytes, pairs_ + 2 * lane)), centre_);
  }

  const int8_t* pairs_;
  V16 centre_;
};

// Products of weights and levels, which fit into 16 bits.
HWY_INLINE V32 Multiply(V32 weights, V32 levels) {
  return MultiplyPairs(hn::BitCast(D16(), weights), hn::BitCast(D16(), levels));
}

#endif  // HWY_TARGET

// How the sums down 7 rows change from one row to the next, for one column of the image.
template <size_t kChannels>
class Change;

// One channel: pairs are (entering row, leaving row).
template <>
class Change<1> {
 public:
  Change(const std::array<const int8_t*, 2>& bands, int x) : rows_(bands[0], x) {}

  HWY_INLINE V32 At(size_t lane) const { return rows_.DifferenceOfSquares(lane); }

 private:
  Differences rows_;
};

// Two channels: pairs are (first channel, second channel), of the entering and the leaving row.
template <>
class Change<2> {
 public:
  Change(const std::array<const int8_t*, 2>& bands, int x)
      : entering_(bands[0], x), leaving_(bands[1], x) {}

  HWY_INLINE V32 At(size_t lane) const {
    return hn::Sub(entering_.SumOfSquares(lane), leaving_.SumOfSquares(lane));
  }

 private:
  Differences entering_;
  Differences leaving_;
};

// ---- Weights and what they weigh.

// Sums over positions.
template <size_t kChannels>
struct Sums {
  V32 weights = hn::Zero(D32());
  V32 levels[kChannels];

  Sums() {
    for (V32& channel : levels) channel = hn::Zero(D32());
  }

  static HWY_INLINE int32_t Total(V32 sum) { return hn::GetLane(hn::SumOfLanes(D32(), sum)); }
};

template <size_t kPlanes>
class Kernel {
 public:
  static constexpr size_t kChannels = kPlanes;

  Kernel(int width, const std::vector<int>& weights)
      : width_(width),
        weights_(weights.begin(), weights.end()),
        columns_(hwy::AllocateAligned<int32_t>(ColumnsSize())) {
    weights_.push_back(0);
    std::fill_n(columns_.get(), ColumnsSize(), 0);
  }

  // Before the first row is complete: all columns slide down.
  void LeadIn(const std::array<const int8_t*, 2>& bands) {
    for (int column = -kPatchHalf; column < width_ + kPatchHalf; ++column) {
      const Change<kChannels> change(bands, column);
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) {
        SlideColumn(change, column, lane);
      }
    }
  }

  // One row of the image: all columns slide down; from the seventh on, patches are complete.
  void Row(const std::array<const int8_t*, 2>& bands,
           const std::array<const int8_t*, kChannels>& levels, RowSums* out) {
    StartRow();
    for (int column = -kPatchHalf; column < width_ + kPatchHalf; ++column) {
      const Change<kChannels> change(bands, column);
      const int x = column - kPatchHalf;
      if (x < 0) {
        for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) {
          SlidePatch(SlideColumn(change, column, lane), column, lane);
        }
        continue;
      }
      Sums<kChannels> sums;
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) {
        const V32 patch = SlidePatch(SlideColumn(change, column, lane), column, lane);
        AddWeighted(patch, levels, FirstPosition(x) + lane, &sums);
      }
      out->weights[x] = sums.Total(sums.weights);
      for (size_t c = 0; c < kChannels; ++c) out->levels[c][x] = sums.Total(sums.levels[c]);
    }
  }

 private:
  // Seven columns of zeros come first: what leaves the patches before they are complete.
  size_t ColumnsSize() const {
    return static_cast<size_t>(kPatch + width_ + 2 * kPatchHalf) * kLanes;
  }

  // Sums down 7 rows of column x, for positions from `lane` on.
  int32_t* Column(int x, size_t lane) {
    return columns_.get() + static_cast<size_t>(kPatch + x + kPatchHalf) * kLanes + lane;
  }

  void StartRow() {
    std::fill_n(patches_, kPositions, 0);
    // The lanes after the last position never come below where weights are 0.
    std::fill(patches_ + kPositions, patches_ + kLanes,
              static_cast<int32_t>(weights_.size() << kBinBits));
  }

  HWY_INLINE V32 SlideColumn(const Change<kChannels>& change, int x, size_t lane) {
    int32_t* column = Column(x, lane);
    const V32 sum = hn::Add(hn::Load(D32(), column), change.At(lane));
    hn::Store(sum, D32(), column);
    return sum;
  }

  // Slides the patches' sums on by column x.
  HWY_INLINE V32 SlidePatch(V32 column, int x, size_t lane) {
    const V32 gained = hn::Sub(column, hn::Load(D32(), Column(x - kPatch, lane)));
    const V32 sum = hn::Add(hn::Load(D32(), patches_ + lane), gained);
    hn::Store(sum, D32(), patches_ + lane);
    return sum;
  }

  // Adds the positions whose sums of squares are `patch` and whose levels, less 128, are those of
  // the bands from entry `at` on.
  HWY_INLINE void AddWeighted(V32 patch, const std::array<const int8_t*, kChannels>& levels,
                              size_t at, Sums<kChannels>* sums) const {
    const D32 d32;
    const V32 last = hn::Set(d32, static_cast<int32_t>(weights_.size() - 1));
    const V32 bins = hn::Min(hn::ShiftRight<kBinBits>(patch), last);
    const V32 weights = hn::GatherIndex(d32, weights_.data(), bins);
    sums->weights = hn::Add(sums->weights, weights);
    const hn::Rebind<int8_t, D32> bytes;
    for (size_t c = 0; c < kChannels; ++c) {
      const V32 level = hn::PromoteTo(d32, hn::LoadU(bytes, levels[c] + at));
      sums->levels[c] = hn::Add(sums->levels[c], Multiply(weights, level));
    }
  }

  int width_;
  std::vector<int32_t> weights_;  // the last one is 0
  hwy::AlignedFreeUniquePtr<int32_t[]> columns_;
  alignas(64) int32_t patches_[kLanes];
};

}  // namespace pomona::image::HWY_NAMESPACE::wide
HWY_AFTER_NAMESPACE();

#endif  // POMONA_IMAGE_KERNELS_NLM_WIDE
