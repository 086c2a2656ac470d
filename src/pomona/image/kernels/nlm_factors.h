// Weights as products.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "pomona/image/kernels/nlm_planes.h"

namespace pomona::image {

inline constexpr int kBinBits = 6;  // 64, the power of two after a patch's 49 pixels
// Squared differences of a patch's pixels, on average, from one bin to the next.
inline constexpr double kNlmBin = double{1 << kBinBits} / (kPatch * kPatch);

// Weights fall by exp(-decay) from bin to bin.
inline double NlmDecay(float h, int channels) { return kNlmBin / (h * h * channels); }

// The weight of bin b, of `size` bins, is coarse[i] x fine[j], rounded, where b + skipped =
// kFine i + j.
template <size_t kCoarseCount, size_t kFineCount>
struct WeightFactors {
  static constexpr size_t kCoarse = kCoarseCount;
  static constexpr size_t kFine = kFineCount;
  // Added to a float below 2^16, leaves the nearest whole number in the lower 16 bits.
  static constexpr float kRound = 8388608;

  size_t size = 0;
  size_t skipped = 0;
  std::array<float, kCoarse> coarse = {};
  std::array<float, kFine> fine = {};

  int Weight(size_t bin) const {
    const size_t at = bin + skipped;
    const float sum = std::fma(coarse[at / kFine], fine[at % kFine], kRound);
    return static_cast<int>(std::bit_cast<uint32_t>(sum) & 0xffff);
  }
};

// Of each bin of kCount, when weights fall by exp(-decay).
template <size_t kCount>
std::array<float, kCount> FineFactors(double decay) {
  std::array<float, kCount> fine;
  for (size_t j = 0; j < kCount; ++j) {
    fine[j] = static_cast<float>(std::exp(-decay * static_cast<double>(j)));
  }
  return fine;
}

// The same of 64 bins, entry 8 i + j being the product, in single precision, of entries 8 i and j.
inline std::array<float, 64> FineProducts(double decay) {
  const auto middle = FineFactors<8>(8 * decay);
  const auto finest = FineFactors<8>(decay);
  std::array<float, 64> fine;
  for (size_t i = 0; i < fine.size(); ++i) fine[i] = middle[i / 8] * finest[i % 8];
  return fine;
}

// The coarse factors that give `weights` with these fine ones; none where there are too many, or
// where single precision cannot tell which way one of them is rounded.
template <size_t kCoarse, size_t kFine>
std::optional<WeightFactors<kCoarse, kFine>> Factorise(const std::vector<int>& weights,
                                                       const std::array<float, kFine>& fine,
                                                       size_t skipped = 0) {
  const size_t end = skipped + weights.size();
  if (end > kCoarse * kFine) return std::nullopt;
  WeightFactors<kCoarse, kFine> factors;
  factors.size = weights.size();
  factors.skipped = skipped;
  factors.fine = fine;
  for (size_t i = skipped / kFine; i * kFine < end; ++i) {
    // What all products of this entry leave of it.
    double least = 0;
    double most = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < kFine; ++j) {
      const size_t at = i * kFine + j;
      if (at < skipped || at >= end) continue;
      least = std::max(least, (weights[at - skipped] - 0.5) / factors.fine[j]);
      most = std::min(most, (weights[at - skipped] + 0.5) / factors.fine[j]);
    }
    factors.coarse[i] = static_cast<float>((least + most) / 2);
  }
  for (size_t bin = 0; bin < weights.size(); ++bin) {
    if (factors.Weight(bin) != weights[bin]) return std::nullopt;
  }
  return factors;
}

}  // namespace pomona::image
