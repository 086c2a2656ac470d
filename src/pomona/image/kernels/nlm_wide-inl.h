// Non-local means with sums of 32 bits, for any number of weights.
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

#if HWY_TARGET == HWY_AVX3_DL
// Highway 1.0.3 looks for AVX512-VNNI before it chooses this target, but does not ask the compiler
// for it.
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace pomona::image::HWY_NAMESPACE::wide {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most 64 bytes, which kLanes is a multiple of.
using D32 = hn::CappedTag<int32_t, 16>;
using V32 = hn::Vec<D32>;

// ---- Squares of differences.

#if HWY_TARGET == HWY_SCALAR

// The pairs of bytes around an image column, less that of its centre.
class Differences {
 public:
  Differences(const int8_t* band, int x)
      : pairs_(band + 2 * FirstPosition(x)), centre_(band + 2 * CentrePosition(x)) {}

  // sums + first^2 + second^2, and sums + first^2 - second^2, of positions from `lane` on.
  V32 AddSquares(V32 sums, size_t lane) const {
    return hn::Add(sums, hn::Set(D32(), Square(lane, 0) + Square(lane, 1)));
  }
  V32 AddDifferenceOfSquares(V32 sums, size_t lane) const {
    return hn::Add(sums, hn::Set(D32(), Square(lane, 0) - Square(lane, 1)));
  }

 private:
  int32_t Square(size_t lane, size_t i) const {
    const int32_t difference = pairs_[2 * lane + i] - centre_[i];
    return difference * difference;
  }

  const int8_t* pairs_;
  const int8_t* centre_;
};

// weights x levels + sums; weights and levels fit into 16 bits.
HWY_INLINE V32 MultiplyAdd(V32 weights, V32 levels, V32 sums) {
  return hn::Add(sums, hn::Mul(weights, levels));
}

#else

using D16 = hn::Repartition<int16_t, D32>;
using V16 = hn::Vec<D16>;

// sum[i] + a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1].
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
HWY_INLINE V32 MultiplyPairsAdd(V16 a, V16 b, V32 sum) {
  return V32{_mm_add_epi32(sum.raw, _mm_madd_epi16(a.raw, b.raw))};
}
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE V32 MultiplyPairsAdd(V16 a, V16 b, V32 sum) {
  return V32{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(a.raw, b.raw))};
}
#elif HWY_TARGET == HWY_AVX3
HWY_INLINE V32 MultiplyPairsAdd(V16 a, V16 b, V32 sum) {
  return V32{_mm512_add_epi32(sum.raw, _mm512_madd_epi16(a.raw, b.raw))};
}
#elif HWY_TARGET == HWY_AVX3_DL
HWY_INLINE V32 MultiplyPairsAdd(V16 a, V16 b, V32 sum) {
  return V32{_mm512_dpwssd_epi32(sum.raw, a.raw, b.raw)};
}
#else
HWY_INLINE V32 MultiplyPairsAdd(V16 a, V16 b, V32 sum) {
  const D32 d32;
  const auto even = [d32](V16 v) HWY_ATTR {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(d32, v)));
  };
  const auto odd = [d32](V16 v) HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(d32, v)); };
  return hn::Add(sum, hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b))));
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

  // sums + first^2 + second^2, and sums + first^2 - second^2, of positions from `lane` on.
  HWY_INLINE V32 AddSquares(V32 sums, size_t lane) const {
    const V16 d = At(lane);
    return MultiplyPairsAdd(d, d, sums);
  }
  HWY_INLINE V32 AddDifferenceOfSquares(V32 sums, size_t lane) const {
    const V16 d = At(lane);
    return MultiplyPairsAdd(d, NegateOdd(d), sums);
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

// weights x levels + sums; weights and levels fit into 16 bits, so the upper halves of weights are
// 0.
HWY_INLINE V32 MultiplyAdd(V32 weights, V32 levels, V32 sums) {
  return MultiplyPairsAdd(hn::BitCast(D16(), weights), hn::BitCast(D16(), levels), sums);
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

  HWY_INLINE V32 AddTo(V32 sums, size_t lane) const {
    return rows_.AddDifferenceOfSquares(sums, lane);
  }

 private:
  Differences rows_;
};

// Two channels: pairs are (first channel, second channel), of the entering and the leaving row.
template <>
class Change<2> {
 public:
  Change(const std::array<const int8_t*, 2>& bands, int x)
      : entering_(bands[0], x), leaving_(bands[1], x) {}

  HWY_INLINE V32 AddTo(V32 sums, size_t lane) const {
    return hn::Sub(entering_.AddSquares(sums, lane), leaving_.AddSquares(hn::Zero(D32()), lane));
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

// Looks weights up in a table, the last entry of which is 0.
class Weigher {
 public:
  explicit Weigher(const std::vector<int32_t>& table)
      : table_(table.data()), last_(hn::Set(D32(), static_cast<int32_t>(table.size() - 1))) {}

  // Adds the positions whose sums of squares are `patch`, and whose levels, less 128, are those
  // from `levels[c]` + `at` on.
  template <size_t kChannels>
  HWY_INLINE void Add(V32 patch, const std::array<const int8_t*, kChannels>& levels, size_t at,
                      Sums<kChannels>* sums) const {
    const D32 d32;
    const V32 bins = hn::Min(hn::ShiftRight<kBinBits>(patch), last_);
    const V32 weights = hn::GatherIndex(d32, table_, bins);
    sums->weights = hn::Add(sums->weights, weights);
    const hn::Rebind<int8_t, D32> bytes;
    for (size_t c = 0; c < kChannels; ++c) {
      const V32 level = hn::PromoteTo(d32, hn::LoadU(bytes, levels[c] + at));
      sums->levels[c] = MultiplyAdd(weights, level, sums->levels[c]);
    }
  }

 private:
  const int32_t* table_;
  V32 last_;
};

// ---- The sliding sums.

// The sums of one image column as they slide on.
template <size_t kChannels>
class Slider {
 public:
  // `column`: sums down 7 rows; `leaving`: those of 7 columns before; `patches`: those over both.
  Slider(const Change<kChannels>& change, int32_t* column, const int32_t* leaving, int32_t* patches)
      : change_(change), column_(column), leaving_(leaving), patches_(patches) {}

  // Down a row.
  HWY_INLINE V32 Column(size_t lane) const {
    const V32 sum = change_.AddTo(hn::Load(D32(), column_ + lane), lane);
    hn::Store(sum, D32(), column_ + lane);
    return sum;
  }

  // Down a row, then along it.
  HWY_INLINE V32 Patch(size_t lane) const {
    const V32 gained = hn::Sub(Column(lane), hn::Load(D32(), leaving_ + lane));
    const V32 sum = hn::Add(hn::Load(D32(), patches_ + lane), gained);
    hn::Store(sum, D32(), patches_ + lane);
    return sum;
  }

 private:
  Change<kChannels> change_;
  int32_t* column_;
  const int32_t* leaving_;
  int32_t* patches_;
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
      const auto slider = SliderOf(bands, column);
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) slider.Column(lane);
    }
  }

  // One row of the image: all columns slide down; from the seventh on, patches are complete.
  void Row(const std::array<const int8_t*, 2>& bands,
           const std::array<const int8_t*, kChannels>& levels, RowSums* out) {
    const Weigher weigher(weights_);
    StartRow();
    for (int column = -kPatchHalf; column < kPatchHalf; ++column) {
      const auto slider = SliderOf(bands, column);
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) slider.Patch(lane);
    }
    for (int x = 0; x < width_; ++x) {
      const auto slider = SliderOf(bands, x + kPatchHalf);
      std::array<const int8_t*, kChannels> at;
      for (size_t c = 0; c < kChannels; ++c) at[c] = levels[c] + FirstPosition(x);
      Sums<kChannels> sums;
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D32())) {
        weigher.Add(slider.Patch(lane), at, lane, &sums);
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

  Slider<kChannels> SliderOf(const std::array<const int8_t*, 2>& bands, int x) {
    int32_t* leaving = columns_.get() + static_cast<size_t>(x + kPatchHalf) * kLanes;
    return {Change<kChannels>(bands, x), leaving + kPatch * kLanes, leaving, patches_};
  }

  void StartRow() {
    std::fill_n(patches_, kPositions, 0);
    // The lanes after the last position never come below where weights are 0.
    std::fill(patches_ + kPositions, patches_ + kLanes,
              static_cast<int32_t>(weights_.size() << kBinBits));
  }

  int width_;
  std::vector<int32_t> weights_;  // the last one is 0
  hwy::AlignedFreeUniquePtr<int32_t[]> columns_;
  alignas(64) int32_t patches_[kLanes];
};

}  // namespace pomona::image::HWY_NAMESPACE::wide
HWY_AFTER_NAMESPACE();

#endif  // POMONA_IMAGE_KERNELS_NLM_WIDE
