// How it is fast. For one pixel, the 441 positions it is compared with are laid out in memory one
// after the other (a "band": column after column, 21 rows of each), so that they fill vectors
// without waste and the next pixel's are 21 entries on. Every lane is a position, and keeps for it
// the squared differences summed down 7 rows (one sum per image column, which slides down) and
// over the 7x7 patch (which slides along the row). Nothing crosses lanes but one sum per pixel.
//
// Sums have 16 bits: whatever reaches the distance at which weights are 0 is held there, which
// changes no weight. Where h is so large that this does not fit, the same goes on in 32 bits.
#include "pomona/image/kernels/nlm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pomona/image/kernels/border.h"
#include "pomona/image/kernels/lab.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/nlm.cc"
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL 1  // Ice Lake and later: byte permutations and dot products
#endif
#ifndef HWY_DISABLED_TARGETS
// Vectors are kept in arrays here, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#ifndef POMONA_IMAGE_KERNELS_NLM_LAYOUT
#define POMONA_IMAGE_KERNELS_NLM_LAYOUT
namespace pomona::image {

inline constexpr int kPatch = 7;
inline constexpr int kPatchHalf = kPatch / 2;
inline constexpr int kSearch = 21;
inline constexpr int kSearchHalf = kSearch / 2;
inline constexpr int kMargin = kPatchHalf + kSearchHalf;
inline constexpr size_t kPositions = kSearch * kSearch;
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
        column_size_(static_cast<size_t>(height) + 2 * kMargin),
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
#endif

#if HWY_TARGET == HWY_AVX3_DL
// Highway 1.0.3 looks for AVX512-VNNI before it chooses this target, but does not ask the compiler
// for it.
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace pomona::image::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rounded means of a row from its sums; exact, as all of it is below 2^33 and a double has 53 bits.
void WriteMeans(const RowSums& sums, int channel, size_t n, uint8_t* HWY_RESTRICT out) {
  const int32_t* HWY_RESTRICT levels = sums.levels[static_cast<size_t>(channel)].data();
  const int32_t* HWY_RESTRICT weights = sums.weights.data();
  for (size_t i = 0; i < n; ++i) {
    const double weight = weights[i];
    const int32_t half = weights[i] / 2;
    const double rounded = static_cast<double>(levels[i]) + half + 128.0 * weight;
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(rounded / weight));
  }
}

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

  HWY_INLINE V16 Change(size_t lane, V8 most) const {
    const V8 d = Distance(centre, hn::LoadU(DS8(), pairs + 2 * lane), most);
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

  HWY_INLINE V16 Change(size_t lane, V8 most) const {
    const V8 in = Distance(entering_centre, hn::LoadU(DS8(), entering + 2 * lane), most);
    const V8 out = Distance(leaving_centre, hn::LoadU(DS8(), leaving + 2 * lane), most);
    return hn::Sub(MultiplyPairs(in, in), MultiplyPairs(out, out));
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
class NarrowState {
 public:
  // `limit`: sums from here on weigh nothing.
  NarrowState(int width, uint16_t limit)
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
HWY_INLINE V16 SlideColumn(const Change& change, int x, size_t lane, V8 most, NarrowState* state) {
  const D16 d16;
  uint16_t* column = state->Column(x, lane);
  const V16 sum = hn::Add(hn::Load(d16, column), change.Change(lane, most));
  hn::Store(sum, d16, column);
  return sum;
}

// Slides the patches' sums on by column x.
HWY_INLINE V16 SlidePatch(V16 column, int x, size_t lane, V16 limit, NarrowState* state) {
  const D16 d16;
  const V16 held = hn::Min(column, limit);
  uint16_t* recent = state->Recent(x, lane);
  const V16 gained = hn::Sub(held, hn::Load(d16, recent));
  hn::Store(held, d16, recent);
  const V16 sum = hn::Add(hn::Load(d16, state->Patch(lane)), gained);
  hn::Store(sum, d16, state->Patch(lane));
  return sum;
}

// One row of the image: all columns slide down; from the seventh on, patches are complete.
template <class Change, size_t kBlocks>
void NarrowRow(const std::array<const int8_t*, 2>& bands,
               const std::array<const int8_t*, Change::kChannels>& levels, int width,
               const Weigher<kBlocks>& weigher, uint8_t most_difference, NarrowState* state,
               RowSums* out) {
  constexpr size_t kChannels = Change::kChannels;
  const V8 most = hn::Set(D8(), most_difference);
  const V16 limit = hn::Set(D16(), state->limit());
  const size_t half = hn::Lanes(D16());
  state->StartRow();
  for (int column = -kPatchHalf; column < width + kPatchHalf; ++column) {
    const Change change(bands, column);
    const int x = column - kPatchHalf;
    const bool complete = x >= 0;
    Sums<kChannels> sums;
    for (size_t lane = 0; lane < kLanes; lane += 2 * half) {
      const V16 a =
          SlidePatch(SlideColumn(change, column, lane, most, state), column, lane, limit, state);
      const V16 b = SlidePatch(SlideColumn(change, column, lane + half, most, state), column,
                               lane + half, limit, state);
      if (!complete) continue;
      std::array<const int8_t*, kChannels> at;
      for (size_t c = 0; c < kChannels; ++c) at[c] = levels[c] + FirstPosition(x) + lane;
      weigher.template Add<kChannels>(a, b, at, &sums);
    }
    if (!complete) continue;
    out->weights[x] = Sums<kChannels>::Total(sums.weights);
    for (size_t c = 0; c < kChannels; ++c) {
      out->levels[c][x] = Sums<kChannels>::Total(sums.levels[c]);
    }
  }
}

// Before the first row is complete: columns only.
template <class Change>
void NarrowLeadIn(const std::array<const int8_t*, 2>& bands, int width, uint8_t most_difference,
                  NarrowState* state) {
  const V8 most = hn::Set(D8(), most_difference);
  for (int column = -kPatchHalf; column < width + kPatchHalf; ++column) {
    const Change change(bands, column);
    for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(D16())) {
      SlideColumn(change, column, lane, most, state);
    }
  }
}

template <class Change, size_t kBlocks>
void NarrowPlanes(const PlaneSet& planes, const std::vector<int>& weights) {
  constexpr size_t kChannels = Change::kChannels;
  std::vector<Bands> bands;
  for (size_t c = 0; c < kChannels; ++c) {
    bands.emplace_back(planes.from[c], planes.width, planes.height);
  }
  const size_t band = bands[0].size();
  const Weigher<kBlocks> weigher(weights);
  const auto limit = static_cast<uint16_t>(weights.size() << kBinBits);
  const auto most = static_cast<uint8_t>(std::ceil(std::sqrt(static_cast<double>(limit))));
  NarrowState state(planes.width, limit);
  RowSums sums(static_cast<size_t>(planes.width));

  // Rows above the first band leave nothing: zeros, centre and positions alike.
  const std::vector<int8_t> nothing(2 * band);
  PairBands pairs(band);
  for (int y = -2 * kPatchHalf; y < planes.height; ++y) {
    const int entering = y + kPatchHalf;
    const int leaving = entering - kPatch;
    const bool leaves = leaving >= -kPatchHalf;
    for (Bands& b : bands) b.Make(entering);
    std::array<const int8_t*, 2> rows = {};
    if constexpr (kChannels == 1) {
      rows[0] = pairs.Make(entering, bands[0].Row(entering),
                           leaves ? bands[0].Row(leaving) : nothing.data());
    } else {
      rows[0] = pairs.Make(entering, bands[0].Row(entering), bands[1].Row(entering));
      rows[1] = leaves ? pairs.Row(leaving) : nothing.data();
    }
    if (y < 0) {
      NarrowLeadIn<Change>(rows, planes.width, most, &state);
      continue;
    }
    std::array<const int8_t*, kChannels> levels;
    for (size_t c = 0; c < kChannels; ++c) levels[c] = bands[c].Row(y);
    NarrowRow<Change, kBlocks>(rows, levels, planes.width, weigher, most, &state, &sums);
    const auto n = static_cast<size_t>(planes.width);
    for (size_t c = 0; c < kChannels; ++c) {
      WriteMeans(sums, static_cast<int>(c), n, planes.to[c] + static_cast<size_t>(y) * n);
    }
  }
}

void DenoiseNarrow(const PlaneSet& planes, const std::vector<int>& weights) {
  const bool small = weights.size() < 64;
  if (planes.channels == 1) {
    small ? NarrowPlanes<OneChannel, 4>(planes, weights)
          : NarrowPlanes<OneChannel, 8>(planes, weights);
  } else {
    small ? NarrowPlanes<TwoChannels, 4>(planes, weights)
          : NarrowPlanes<TwoChannels, 8>(planes, weights);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

// ---- The same in 32 bits, for any weights, in loops that the compiler vectorises.

struct WideState {
  std::vector<int32_t> columns;  // by column and position
  std::array<int32_t, kPositions> patches;
};

HWY_INLINE int32_t Square(int32_t value) { return value * value; }

// sums += sign x the squared differences between a band's positions around column x and its centre.
HWY_INLINE void AddSquares(const int8_t* band, int x, int32_t sign, int32_t* HWY_RESTRICT sums) {
  const int8_t centre = band[CentrePosition(x)];
  const int8_t* HWY_RESTRICT positions = band + FirstPosition(x);
  for (size_t i = 0; i < kPositions; ++i) sums[i] += sign * Square(positions[i] - centre);
}

void SlideWideColumns(const int8_t* band, int width, int32_t sign, WideState* state) {
  for (int x = -kPatchHalf; x < width + kPatchHalf; ++x) {
    AddSquares(band, x, sign,
               state->columns.data() + static_cast<size_t>(x + kPatchHalf) * kPositions);
  }
}

void WideRow(const std::array<const int8_t*, 2>& levels, int channels, int width,
             const std::vector<int>& weights, WideState* state, RowSums* out) {
  const auto last = static_cast<int32_t>(weights.size() - 1);
  const int32_t* HWY_RESTRICT table = weights.data();
  int32_t* HWY_RESTRICT patches = state->patches.data();
  std::array<int32_t, kPositions> found;
  state->patches.fill(0);
  for (int column = 0; column < width + 2 * kPatchHalf; ++column) {
    const int32_t* HWY_RESTRICT entering =
        state->columns.data() + static_cast<size_t>(column) * kPositions;
    for (size_t i = 0; i < kPositions; ++i) patches[i] += entering[i];
    if (column < kPatch - 1) continue;
    const int x = column - (kPatch - 1);
    int32_t weight_sum = 0;
    for (size_t i = 0; i < kPositions; ++i) {
      found[i] = table[std::min(patches[i] >> kBinBits, last)];
      weight_sum += found[i];
    }
    out->weights[x] = weight_sum;
    for (int c = 0; c < channels; ++c) {
      const int8_t* HWY_RESTRICT level = levels[static_cast<size_t>(c)] + FirstPosition(x);
      int32_t level_sum = 0;
      for (size_t i = 0; i < kPositions; ++i) level_sum += found[i] * level[i];
      out->levels[static_cast<size_t>(c)][x] = level_sum;
    }
    const int32_t* HWY_RESTRICT leaving =
        state->columns.data() + static_cast<size_t>(column - (kPatch - 1)) * kPositions;
    for (size_t i = 0; i < kPositions; ++i) patches[i] -= leaving[i];
  }
}

void DenoiseWide(const PlaneSet& planes, std::vector<int> weights) {
  weights.push_back(0);
  std::vector<Bands> bands;
  bands.reserve(2);
  for (int c = 0; c < planes.channels; ++c) {
    bands.emplace_back(planes.from[static_cast<size_t>(c)], planes.width, planes.height);
  }
  WideState state;
  state.columns.resize(static_cast<size_t>(planes.width + 2 * kPatchHalf) * kPositions);
  RowSums sums(static_cast<size_t>(planes.width));
  for (int y = -2 * kPatchHalf; y < planes.height; ++y) {
    const int entering = y + kPatchHalf;
    const int leaving = entering - kPatch;
    std::array<const int8_t*, 2> levels = {};
    for (size_t c = 0; c < bands.size(); ++c) {
      bands[c].Make(entering);
      SlideWideColumns(bands[c].Row(entering), planes.width, 1, &state);
      if (leaving >= -kPatchHalf) {
        SlideWideColumns(bands[c].Row(leaving), planes.width, -1, &state);
      }
      levels[c] = bands[c].Row(std::max(y, -kPatchHalf));
    }
    if (y < 0) continue;
    WideRow(levels, planes.channels, planes.width, weights, &state, &sums);
    const auto n = static_cast<size_t>(planes.width);
    for (int c = 0; c < planes.channels; ++c) {
      WriteMeans(sums, c, n, planes.to[static_cast<size_t>(c)] + static_cast<size_t>(y) * n);
    }
  }
}

void DenoisePlanes(const PlaneSet& planes, const std::vector<int>& weights) {
#if HWY_TARGET != HWY_SCALAR
  if (weights.size() <= kMaxNarrowWeights) return DenoiseNarrow(planes, weights);
#endif
  DenoiseWide(planes, weights);
}

}  // namespace pomona::image::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::image {

HWY_EXPORT(DenoisePlanes);

std::vector<int> NlmWeights(float h, int channels) {
  // All positions at full weight and level 255 just fit into 31 bits.
  constexpr int kOne = INT32_MAX / (kSearch * kSearch * 255);
  constexpr double kNegligible = 0.001;
  constexpr double kBin = double{1 << kBinBits} / (kPatch * kPatch);
  const auto bins = static_cast<int>(255 * 255 * channels / kBin + 1);
  std::vector<int> weights;
  for (int bin = 0; bin < bins; ++bin) {
    const auto weight = std::lrint(kOne * std::exp(-bin * kBin / (h * h * channels)));
    if (static_cast<double>(weight) < kNegligible * kOne) break;
    weights.push_back(static_cast<int>(weight));
  }
  return weights;
}

Image NlmDenoise(const Image& image, float h) {
  const LabImage lab = ToLab(image);
  LabImage out = lab;
  const auto denoise = HWY_DYNAMIC_DISPATCH(DenoisePlanes);
  denoise({lab.width, lab.height, 1, {lab.l.data(), nullptr}, {out.l.data(), nullptr}},
          NlmWeights(h, 1));
  denoise({lab.width, lab.height, 2, {lab.a.data(), lab.b.data()}, {out.a.data(), out.b.data()}},
          NlmWeights(h, 2));
  return FromLab(out);
}

}  // namespace pomona::image
#endif  // HWY_ONCE
