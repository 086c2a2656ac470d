// How it is fast where weights are few: for one pixel, the 441 positions it is compared with are
// laid out in memory one after the other (a "band": column after column, 21 rows of each), so that
// they fill vectors without waste and the next pixel's are 21 entries on. Every lane is a position,
// and keeps for it the squared differences summed down 7 rows (one sum per image column, which
// slides down) and over the 7x7 patch (which slides along the row). Nothing crosses lanes but one
// sum per pixel.
//
// Sums have 16 bits (nlm_narrow.inc). Where h is so large that this does not fit, nlm_wide.inc
// does it otherwise.
#include "pomona/image/kernels/nlm.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pomona/image/kernels/lab.h"
#include "pomona/image/kernels/nlm_bands.h"
#include "pomona/image/kernels/nlm_factors.h"

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
#include <hwy/highway.h>

#include "pomona/image/kernels/nlm_narrow.inc"
#include "pomona/image/kernels/nlm_wide.inc"

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

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

// Runs a kernel down the rows of its planes.
template <class Kernel>
void DenoiseWith(const PlaneSet& planes, const std::vector<int>& weights) {
  constexpr size_t kChannels = Kernel::kChannels;
  std::vector<Bands> bands;
  for (size_t c = 0; c < kChannels; ++c) {
    bands.emplace_back(planes.from[c], planes.width, planes.height);
  }
  const size_t band = bands[0].size();
  Kernel kernel(planes.width, weights);
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
      kernel.LeadIn(rows);
      continue;
    }
    std::array<const int8_t*, kChannels> levels;
    for (size_t c = 0; c < kChannels; ++c) levels[c] = bands[c].Row(y);
    kernel.Row(rows, levels, &sums);
    const auto n = static_cast<size_t>(planes.width);
    for (size_t c = 0; c < kChannels; ++c) {
      WriteMeans(sums, static_cast<int>(c), n, planes.to[c] + static_cast<size_t>(y) * n);
    }
  }
}

void DenoisePlanes(const PlaneSet& planes, float h) {
  const std::vector<int> weights = NlmWeights(h, planes.channels);
#if HWY_TARGET != HWY_SCALAR
  const bool one = planes.channels == 1;
  if (weights.size() < 64) {
    return one ? DenoiseWith<narrow::Kernel<narrow::OneChannel, 4>>(planes, weights)
               : DenoiseWith<narrow::Kernel<narrow::TwoChannels, 4>>(planes, weights);
  }
  if (weights.size() <= kMaxNarrowWeights) {
    return one ? DenoiseWith<narrow::Kernel<narrow::OneChannel, 8>>(planes, weights)
               : DenoiseWith<narrow::Kernel<narrow::TwoChannels, 8>>(planes, weights);
  }
#endif
  wide::Denoise(planes, weights, NlmDecay(h, planes.channels));
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
  const auto bins = static_cast<int>(255 * 255 * channels / kNlmBin + 1);
  std::vector<int> weights;
  for (int bin = 0; bin < bins; ++bin) {
    const auto weight = std::lrint(kOne * std::exp(-bin * NlmDecay(h, channels)));
    if (static_cast<double>(weight) < kNegligible * kOne) break;
    weights.push_back(static_cast<int>(weight));
  }
  return weights;
}

Image NlmDenoise(const Image& image, float h) {
  const LabImage lab = ToLab(image);
  LabImage out = lab;
  const auto denoise = HWY_DYNAMIC_DISPATCH(DenoisePlanes);
  denoise({lab.width, lab.height, 1, {lab.l.data(), nullptr}, {out.l.data(), nullptr}}, h);
  denoise({lab.width, lab.height, 2, {lab.a.data(), lab.b.data()}, {out.a.data(), out.b.data()}},
          h);
  return FromLab(out);
}

}  // namespace pomona::image
#endif  // HWY_ONCE
