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

// The weight of bin b, of `size` bins, is coarse[i] x fine[j], rounded, where b + skipped = 32 i +
// j.
struct WeightFactors {
  static constexpr size_t kCoarse = 64;
  static constexpr size_t kFine = 32;
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

// The factors of weights that fall exponentially; none where there are too many, or where single
// precision cannot tell which way one of them is rounded.
inline std::optional<WeightFactors> Factorise(const std::vector<int>& weights, double decay,
                                              size_t skipped = 0) {
  const size_t end = skipped + weights.size();
  if (end > WeightFactors::kCoarse * WeightFactors::kFine) return std::nullopt;
  WeightFactors factors;
  factors.size = weights.size();
  factors.skipped = skipped;
  for (size_t j = 0; j < WeightFactors::kFine; ++j) {
    factors.fine[j] = static_cast<float>(std::exp(-decay * static_cast<double>(j)));
  }
  for (size_t i = skipped / WeightFactors::kFine; i * WeightFactors::kFine < end; ++i) {
    // What all products of this entry leave of it.
    double least = 0;
    double most = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < WeightFactors::kFine; ++j) {
      const size_t at = i * WeightFactors::kFine + j;
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
