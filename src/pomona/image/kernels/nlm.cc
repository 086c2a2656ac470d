#include "pomona/image/kernels/nlm.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pomona/image/kernels/lab.h"
#include "pomona/image/kernels/nlm_factors.h"
#include "pomona/image/kernels/nlm_planes.h"

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

#include "pomona/image/kernels/nlm_kernel.inc"

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

void DenoisePlanes(const PlaneSet& planes, float h) {
  nlm::Denoise(planes, NlmWeights(h, planes.channels), NlmDecay(h, planes.channels));
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
