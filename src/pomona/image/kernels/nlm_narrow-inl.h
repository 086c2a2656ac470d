// Non-local means with sums of 16 bits: whatever reaches the distance at which weights are 0 is
// held there, which changes no weight. Once per instruction set, hence no #pragma once.
#if defined(POMONA_IMAGE_KERNELS_NLM_NARROW) == defined(HWY_TARGET_TOGGLE)
#ifdef POMONA_IMAGE_KERNELS_NLM_NARROW
#undef POMONA_IMAGE_KERNELS_NLM_NARROW
#else
#define POMONA_IMAGE_KERNELS_NLM_NARROW
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
namespace pomona::image::HWY_NAMESPACE::narrow {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR  // which has no lanes to lay positions out in

// Vectors of at most 64 bytes, which kLanes is a multiple of.
using D8 = hn::CappedTag<uint8_t, 64>;
using DS8 = hn::RebindToSigned<D8>;
using D16 = hn::Repartition<uint16_t, D8>;
using DS16 = hn::RebindToSigned<D16>;
using DS32 = hn::Repartition<int32_t, D8>;
using V8 = hn::Vec<D8>;
using VS8 = hn::Vec<DS8>;
using V16 = hn::Vec<D16>;
using VS32 = hn::Vec<DS32>;

// ---- Squares of differences.

#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
HWY_INLINE V16 MultiplyPairs(V8 a, V8 b) { return V16{_mm_maddubs_epi16(a.raw, b.raw)}; }
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE V16 MultiplyPairs(V8 a, V8 b) { return V16{_mm256_maddubs_epi16(a.raw, b.raw)}; }
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
HWY_INLINE V16 MultiplyPairs(V8 a, V8 b) { return V16{_mm512_maddubs_epi16(a.raw, b.raw)}; }
#else
// a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]; `b` is signed, both are at most 127 in magnitude.
HWY_INLINE V16 MultiplyPairs(V8 a, V8 b) {
  const D16 d16;
  const DS16 ds16;
  const V16 a_even = hn::And(hn::BitCast(d16, a), hn::Set(d16, 0xff));
  const V16 a_odd = hn::ShiftRight<8>(hn::BitCast(d16, a));
  const auto b_even = hn::ShiftRight<8>(hn::BitCast(ds16, hn::ShiftLeft<8>(hn::BitCast(d16, b))));
  const auto b_odd = hn::ShiftRight<8>(hn::BitCast(ds16, b));
  return hn::Add(hn::Mul(a_even, hn::BitCast(d16, b_even)),
                 hn::Mul(a_odd, hn::BitCast(d16, b_odd)));
}
#endif

// Odd bytes of `v` with their sign turned.
HWY_INLINE V8 NegateOdd(V8 v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return V8{_mm512_mask_sub_epi8(v.raw, 0xaaaaaaaaaaaaaaaaULL, _mm512_setzero_si512(), v.raw)};
#else
  const D8 d8;
  const V8 odd = hn::BitCast(d8, hn::Set(D16(), 0xff00));
  return hn::Sub(hn::Xor(v, odd), odd);
#endif
}

// |a - b|, held at `most` (at most 127).
HWY_INLINE V8 Distance(VS8 a, VS8 b, V8 most) {
  return hn::Min(hn::BitCast(D8(), hn::Abs(hn::SaturatedSub(a, b))), most);
}

HWY_INLINE VS8 SetPair(int8_t even, int8_t odd) {
  const auto pair =
      static_cast<uint16_t>(static_cast<uint8_t>(even) | static_cast<uint8_t>(odd) << 8);
  return hn::BitCast(DS8(), hn::Set(D16(), pair));
}

// Where weights are 0 for certain: sums from `sum` on, and differences from `difference` on. Held
// there, one channel's difference or the squares of two add up to 7 x 91^2 in a column at most, and
// seven columns to 7 x 127 x 64, which 16 bits hold.
struct Limits {
  explicit Limits(uint16_t limit)
      : sum(hn::Set(D16(), limit)),
        difference(hn::Set(
            D8(), static_cast<uint8_t>(std::ceil(std::sqrt(static_cast<double>(limit)))))) {}

  V16 sum;
  V8 difference;
};

// How the sums down 7 rows change from one row to the next, for one column of the image and the
// positions from `lane` on. A pair of bytes of a band is one position.
// One channel: the pair is (entering row, leaving row).
struct OneChannel {
  static constexpr size_t kChannels = 1;
  const int8_t* pairs;
  VS8 centre;

  OneChannel(const std::array<const int8_t*, 2>& bands, int x)
      : pairs(bands[0] + 2 * FirstPosition(x)), centre(CentrePair(bands[0], x)) {}

  static HWY_INLINE VS8 CentrePair(const int8_t* band, int x) {
    return SetPair(band[2 * CentrePosition(x)], band[2 * CentrePosition(x) + 1]);
  }

  HWY_INLINE V16 At(size_t lane, const Limits& limits) const {
    const V8 d = Distance(centre, hn::LoadU(DS8(), pairs + 2 * lane), limits.difference);
    return MultiplyPairs(d, NegateOdd(d));
  }
};

// Two channels: the pair is (first channel, second channel), of the entering and the leaving row.
struct TwoChannels {
  static constexpr size_t kChannels = 2;
  const int8_t* entering;
  const int8_t* leaving;
  VS8 entering_centre;
  VS8 leaving_centre;

  TwoChannels(const std::array<const int8_t*, 2>& bands, int x)
      : entering(bands[0] + 2 * FirstPosition(x)),
        leaving(bands[1] + 2 * FirstPosition(x)),
        entering_centre(OneChannel::CentrePair(bands[0], x)),
        leaving_centre(OneChannel::CentrePair(bands[1], x)) {}

  HWY_INLINE V16 At(size_t lane, const Limits& limits) const {
    const V8 in =
        Distance(entering_centre, hn::LoadU(DS8(), entering + 2 * lane), limits.difference);
    const V8 out =
        Distance(leaving_centre, hn::LoadU(DS8(), leaving + 2 * lane), limits.difference);
    return hn::Sub(hn::Min(MultiplyPairs(in, in), limits.sum),
                   hn::Min(MultiplyPairs(out, out), limits.sum));
  }
};

// ---- Weights and what they weigh.

// Sums over positions, in two vectors each, the second counting kSecond times.
template <size_t kChannels>
struct Sums {
#if HWY_TARGET == HWY_AVX3_DL
  static constexpr int kSecondShift = 8;
#else
  static constexpr int kSecondShift = 0;
#endif

  VS32 weights[2];
  VS32 levels[kChannels][2];

  Sums() {
    for (auto& part : weights) part = hn::Zero(DS32());
    for (auto& channel : levels) {
      for (auto& part : channel) part = hn::Zero(DS32());
    }
  }

  static HWY_INLINE int32_t Total(const VS32 (&parts)[2]) {
    const VS32 sum = hn::Add(parts[0], hn::ShiftLeft<kSecondShift>(parts[1]));
    return hn::GetLane(hn::SumOfLanes(DS32(), sum));
  }
};

// The weights as a table of low and one of high bytes, of kBlocks x 16 entries, the last of which
// is 0.
template <size_t kBlocks>
class Weigher {
 public:
  explicit Weigher(const std::vector<int>& weights) {
    for (size_t i = 0; i < weights.size(); ++i) {
      low_[i] = static_cast<uint8_t>(weights[i] & 0xff);
      high_[i] = static_cast<uint8_t>(weights[i] >> 8);
    }
  }

  // Adds the positions whose sums of squares are `a` (the first half) and `b`, and whose levels,
  // less 128, begin at `levels[c]`.
  template <size_t kChannels>
  HWY_INLINE void Add(V16 a, V16 b, const std::array<const int8_t*, kChannels>& levels,
                      Sums<kChannels>* sums) const;

 private:
  alignas(64) uint8_t low_[16 * kBlocks] = {};
  alignas(64) uint8_t high_[16 * kBlocks] = {};
};

#if HWY_TARGET == HWY_AVX3_DL

// 64 or 128 entries at once.
HWY_INLINE __m512i LookUp64(const uint8_t* table, __m512i index) {
  return _mm512_permutexvar_epi8(index, _mm512_load_si512(table));
}
HWY_INLINE __m512i LookUp128(const uint8_t* table, __m512i index) {
  return _mm512_permutex2var_epi8(_mm512_load_si512(table), index, _mm512_load_si512(table + 64));
}

template <size_t kBlocks>
template <size_t kChannels>
HWY_INLINE void Weigher<kBlocks>::Add(V16 a, V16 b,
                                      const std::array<const int8_t*, kChannels>& levels,
                                      Sums<kChannels>* sums) const {
  static_assert(kBlocks == 4 || kBlocks == 8);
  const __m512i packed =
      _mm512_packus_epi16(hn::ShiftRight<kBinBits>(a).raw, hn::ShiftRight<kBinBits>(b).raw);
  const __m512i in_order =
      _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed);
  const __m512i bins = _mm512_min_epu8(in_order, _mm512_set1_epi8(16 * kBlocks - 1));
  const __m512i low = kBlocks == 4 ? LookUp64(low_, bins) : LookUp128(low_, bins);
  const __m512i high = kBlocks == 4 ? LookUp64(high_, bins) : LookUp128(high_, bins);
  const __m512i one = _mm512_set1_epi8(1);
  sums->weights[0].raw = _mm512_dpbusd_epi32(sums->weights[0].raw, low, one);
  sums->weights[1].raw = _mm512_dpbusd_epi32(sums->weights[1].raw, high, one);
  for (size_t c = 0; c < kChannels; ++c) {
    const __m512i level = _mm512_loadu_si512(levels[c]);
    sums->levels[c][0].raw = _mm512_dpbusd_epi32(sums->levels[c][0].raw, low, level);
    sums->levels[c][1].raw = _mm512_dpbusd_epi32(sums->levels[c][1].raw, high, level);
  }
}

#else

template <size_t kBlocks>
HWY_INLINE V8 LookUp(const uint8_t* HWY_RESTRICT table, V8 bins) {
  const D8 d8;
  V8 found = hn::Zero(d8);
  for (size_t block = 0; block < kBlocks; ++block) {
    // Outside of this block the upper bit gets set, which looks up 0.
    const V8 within = hn::Sub(bins, hn::Set(d8, static_cast<uint8_t>(16 * block)));
    const V8 index = hn::SaturatedAdd(within, hn::Set(d8, 0x70));
    found = hn::Or(found, hn::TableLookupBytesOr0(hn::LoadDup128(d8, table + 16 * block), index));
  }
  return found;
}

template <size_t kBlocks>
template <size_t kChannels>
HWY_INLINE void Weigher<kBlocks>::Add(V16 a, V16 b,
                                      const std::array<const int8_t*, kChannels>& levels,
                                      Sums<kChannels>* sums) const {
  const D8 d8;
  const D16 d16;
  const DS16 ds16;
  const DS32 ds32;
  const V16 last = hn::Set(d16, static_cast<uint16_t>(16 * kBlocks - 1));
  const V16 bin_a = hn::Min(hn::ShiftRight<kBinBits>(a), last);
  const V16 bin_b = hn::Min(hn::ShiftRight<kBinBits>(b), last);
  // Bins of `a` in the even bytes, of `b` in the odd ones.
  const V8 bins = hn::BitCast(d8, hn::Or(bin_a, hn::ShiftLeft<8>(bin_b)));
  const V16 low = hn::BitCast(d16, LookUp<kBlocks>(low_, bins));
  const V16 high = hn::BitCast(d16, LookUp<kBlocks>(high_, bins));
  const V16 low_byte = hn::Set(d16, 0xff);
  const auto weight_a = hn::BitCast(ds16, hn::Or(hn::And(low, low_byte), hn::ShiftLeft<8>(high)));
  const auto weight_b =
      hn::BitCast(ds16, hn::Or(hn::ShiftRight<8>(low), hn::AndNot(low_byte, high)));

  const auto accumulate = [ds32](auto weight, auto factor, VS32(&parts)[2]) HWY_ATTR {
    parts[0] = hn::ReorderWidenMulAccumulate(ds32, weight, factor, parts[0], parts[1]);
  };
  accumulate(weight_a, hn::Set(ds16, 1), sums->weights);
  accumulate(weight_b, hn::Set(ds16, 1), sums->weights);
  const hn::Rebind<int8_t, DS16> half;
  for (size_t c = 0; c < kChannels; ++c) {
    accumulate(weight_a, hn::PromoteTo(ds16, hn::LoadU(half, levels[c])), sums->levels[c]);
    accumulate(weight_b, hn::PromoteTo(ds16, hn::LoadU(half, levels[c] + hn::Lanes(ds16))),
               sums->levels[c]);
  }
}

#endif

// ---- The sliding sums.

// What is kept for every position, in 16 bits.
class State {
 public:
  // `limit`: sums from here on weigh nothing.
  State(int width, uint16_t limit)
      : limit_(limit),
        columns_(
            hwy::AllocateAligned<uint16_t>(static_cast<size_t>(width + 2 * kPatchHalf) * kLanes)) {
    std::fill_n(columns_.get(), static_cast<size_t>(width + 2 * kPatchHalf) * kLanes, 0);
  }

  void StartRow() {
    std::memset(recent_, 0, sizeof(recent_));
    std::memset(patches_, 0, sizeof(patches_));
    // The lanes after the last position never come below the limit.
    std::fill(patches_ + kPositions, patches_ + kLanes, limit_);
  }

  // Sums down 7 rows of column x, for positions from `lane` on.
  uint16_t* Column(int x, size_t lane) {
    return columns_.get() + static_cast<size_t>(x + kPatchHalf) * kLanes + lane;
  }
  // As many columns ago as a patch is wide, held at the limit.
  uint16_t* Recent(int x, size_t lane) {
    return recent_ + static_cast<size_t>(x + kPatchHalf) % kPatch * kLanes + lane;
  }
  uint16_t* Patch(size_t lane) { return patches_ + lane; }
  uint16_t limit() const { return limit_; }

 private:
  uint16_t limit_;
  hwy::AlignedFreeUniquePtr<uint16_t[]> columns_;
  alignas(64) uint16_t recent_[kPatch * kLanes];
  alignas(64) uint16_t patches_[kLanes];
};

// Slides the sums of column x down a row.
template <class Change>
HWY_INLINE V16 SlideColumn(const Change& change, int x, size_t lane, const Limits& limits,
                           State* state) {
  const D16 d16;
  uint16_t* column = state->Column(x, lane);
  const V16 sum = hn::Add(hn::Load(d16, column), change.At(lane, limits));
  hn::Store(sum, d16, column);
  return sum;
}

// Slides the patches' sums on by column x.
HWY_INLINE V16 SlidePatch(V16 column, int x, size_t lane, const Limits& limits, State* state) {
  const D16 d16;
  const V16 held = hn::Min(column, limits.sum);
  uint16_t* recent = state->Recent(x, lane);
  const V16 gained = hn::Sub(held, hn::Load(d16, recent));
  hn::Store(held, d16, recent);
  const V16 sum = hn::Add(hn::Load(d16, state->Patch(lane)), gained);
  hn::Store(sum, d16, state->Patch(lane));
  return sum;
}

// `kBlocks` x 16 is more than there are weights.
template <class Change, size_t kBlocks>
class Kernel {
 public:
  static constexpr size_t kChannels = Change::kChannels;

  Kernel(int width, const std::vector<int>& weights)
      : width_(width),
        weigher_(weights),
        state_(width, static_cast<uint16_t>(weights.size() << kBinBits)) {}

  // Before the first row is complete: all columns slide down.
  void LeadIn(const std::array<const int8_t*, 2>& bands) {
    const Limits limits(state_.limit());
    for (int column = -kPatchHalf; column < width_ + kPatchHalf; ++column) {
      const Change change(bands, column);
      for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D16())) {
        SlideColumn(change, column, lane, limits, &state_);
      }
    }
  }

  // One row of the image: all columns slide down; from the seventh on, patches are complete.
  void Row(const std::array<const int8_t*, 2>& bands,
           const std::array<const int8_t*, kChannels>& levels, RowSums* out) {
    const Limits limits(state_.limit());
    const size_t half = hn::Lanes(D16());
    state_.StartRow();
    for (int column = -kPatchHalf; column < width_ + kPatchHalf; ++column) {
      const Change change(bands, column);
      const int x = column - kPatchHalf;
      const bool complete = x >= 0;
      Sums<kChannels> sums;
      for (size_t lane = 0; lane < kLanes; lane += 2 * half) {
        const V16 a = Slide(change, column, lane, limits);
        const V16 b = Slide(change, column, lane + half, limits);
        if (!complete) continue;
        std::array<const int8_t*, kChannels> at;
        for (size_t c = 0; c < kChannels; ++c) at[c] = levels[c] + FirstPosition(x) + lane;
        weigher_.template Add<kChannels>(a, b, at, &sums);
      }
      if (!complete) continue;
      out->weights[x] = Sums<kChannels>::Total(sums.weights);
      for (size_t c = 0; c < kChannels; ++c) {
        out->levels[c][x] = Sums<kChannels>::Total(sums.levels[c]);
      }
    }
  }

 private:
  HWY_INLINE V16 Slide(const Change& change, int column, size_t lane, const Limits& limits) {
    const V16 sum = SlideColumn(change, column, lane, limits, &state_);
    return SlidePatch(sum, column, lane, limits, &state_);
  }

  int width_;
  Weigher<kBlocks> weigher_;
  State state_;
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace pomona::image::HWY_NAMESPACE::narrow
HWY_AFTER_NAMESPACE();

#endif  // POMONA_IMAGE_KERNELS_NLM_NARROW
