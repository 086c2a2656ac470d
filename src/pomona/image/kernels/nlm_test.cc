#include "pomona/image/kernels/nlm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "pomona/image/kernels/border.h"
#include "pomona/image/kernels/lab.h"
#include "pomona/image/kernels/nlm_factors.h"
#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

using Plane = std::vector<uint8_t>;

// The definition as it stands: every patch against every other, pixel by pixel.
class Reference {
 public:
  Reference(std::vector<Plane> planes, int width, int height)
      : planes_(std::move(planes)), width_(width), height_(height) {
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        ForEachOffset([&](int dx, int dy) { distances_.push_back(Distance(x, y, dx, dy)); });
      }
    }
  }

  std::vector<Plane> Run(float h) const {
    const std::vector<int> weights = NlmWeights(h, static_cast<int>(planes_.size()));
    std::vector<Plane> out(planes_.size(), Plane(planes_[0].size()));
    auto distance = distances_.begin();
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) DenoisePixel(x, y, weights, &distance, &out);
    }
    return out;
  }

 private:
  using Distances = std::vector<int64_t>;

  template <typename Visit>
  static void ForEachOffset(const Visit& visit) {
    for (int dy = -10; dy <= 10; ++dy) {
      for (int dx = -10; dx <= 10; ++dx) visit(dx, dy);
    }
  }

  int At(size_t c, int x, int y) const {
    const int i = Reflect(y, height_) * width_ + Reflect(x, width_);
    return planes_[c][static_cast<size_t>(i)];
  }

  int64_t Distance(int x, int y, int dx, int dy) const {
    int64_t sum = 0;
    for (size_t c = 0; c < planes_.size(); ++c) {
      for (int j = y - 3; j <= y + 3; ++j) {
        for (int i = x - 3; i <= x + 3; ++i) {
          const int64_t d = At(c, i, j) - At(c, i + dx, j + dy);
          sum += d * d;
        }
      }
    }
    return sum;
  }

  // `distance`: the first of this pixel's; moved to that of the next.
  void DenoisePixel(int x, int y, const std::vector<int>& weights,
                    Distances::const_iterator* distance, std::vector<Plane>* out) const {
    int64_t weight_sum = 0;
    std::array<int64_t, 2> sums = {};
    ForEachOffset([&](int dx, int dy) {
      const auto bin = static_cast<size_t>(*(*distance)++ / 64);
      const int64_t weight = bin < weights.size() ? weights[bin] : 0;
      weight_sum += weight;
      for (size_t c = 0; c < planes_.size(); ++c) sums[c] += weight * At(c, x + dx, y + dy);
    });
    const int i = y * width_ + x;
    for (size_t c = 0; c < planes_.size(); ++c) {
      (*out)[c][static_cast<size_t>(i)] =
          static_cast<uint8_t>((sums[c] + weight_sum / 2) / weight_sum);
    }
  }

  std::vector<Plane> planes_;
  int width_;
  int height_;
  Distances distances_;
};

class ReferenceDenoiser {
 public:
  explicit ReferenceDenoiser(const Image& image)
      : lab_(ToLab(image)),
        l_({lab_.l}, lab_.width, lab_.height),
        ab_({lab_.a, lab_.b}, lab_.width, lab_.height) {}

  Image Run(float h) const {
    LabImage lab = lab_;
    lab.l = l_.Run(h)[0];
    const auto ab = ab_.Run(h);
    lab.a = ab[0];
    lab.b = ab[1];
    return FromLab(lab);
  }

 private:
  LabImage lab_;
  Reference l_;
  Reference ab_;
};

// Noise of `amplitude` levels on a slope: patches at all distances from the same to unlike.
Image NoisySlope(int width, int height, int amplitude) {
  Image image = Noise(width, height);
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const int slope = static_cast<int>(i / 3) % width * 150 / width + 40;
    image.rgb[i] = static_cast<uint8_t>(slope + image.rgb[i] * amplitude / 255);
  }
  return image;
}

TEST(Nlm, EqualsOpenCvOnSamples) {
  const testing::NpyArray& pick = GoldenArray("pixels.npz", "nlm_pick");
  for (int i = 0; i < 10; ++i) {
    const Image resized = LoadImage("pixels.npz", "resized", pick.data<int64_t>()[i]);
    EXPECT_EQ(Compare(NlmDenoise(resized, 3), LoadImage("pixels.npz", "nlm_h3", i)).unequal, 0);
    EXPECT_EQ(Compare(NlmDenoise(resized, 10), LoadImage("pixels.npz", "nlm_h10", i)).unequal, 0);
  }
}

TEST(Nlm, EqualsOpenCvOnNoiseWhateverTheStrength) {
  const Image noise = LoadImage("recipes.npz", "noise");
  for (const int h : {3, 30, 100}) {
    const Image expected = LoadImage("recipes.npz", "noise_nlm_" + std::to_string(h));
    EXPECT_EQ(Compare(NlmDenoise(noise, static_cast<float>(h)), expected).unequal, 0) << "h " << h;
  }
}

// Every instruction set against the definition: strengths for tables of one entry, of few, up to 16
// bits of distance and beyond; sizes smaller than a patch and than the search,
// higher than two strips, and so wide that rows end with a full vector.
TEST(Nlm, EveryInstructionSetFollowsTheDefinition) {
  for (const auto& [width, height] :
       {std::pair{1, 1}, {2, 5}, {33, 6}, {32, 5}, {11, 24}, {3, 95}, {198, 2}}) {
    for (const int amplitude : {12, 255}) {
      const Image image =
          amplitude == 255 ? Noise(width, height) : NoisySlope(width, height, amplitude);
      const ReferenceDenoiser reference(image);
      for (const float h : {0.01F, 3.0F, 3.4F, 4.5F, 10.0F, 100.0F}) {
        const Image expected = reference.Run(h);
        ForEachTarget([&, w = width](const std::string& target) {
          ASSERT_EQ(NlmDenoise(image, h).rgb, expected.rgb)
              << target << ", width " << w << ", h " << h << ", amplitude " << amplitude;
        });
      }
    }
  }
}

// Colours so far apart that the squares of a patch's column pass what 16 bits hold.
TEST(Nlm, DistantColoursStayApart) {
  constexpr int kWidth = 12;
  constexpr int kHeight = 9;
  for (const int blue : {0, 240, 247, 255}) {
    Image image{kWidth, kHeight, std::vector<uint8_t>(size_t{3} * kWidth * kHeight, 255)};
    for (size_t i = 0; i < image.rgb.size(); i += 3) {
      if (i / 3 % kWidth >= kWidth / 2) continue;
      image.rgb[i + 1] = 0;
      image.rgb[i + 2] = static_cast<uint8_t>(blue);
    }
    const ReferenceDenoiser reference(image);
    for (const float h : {2.5F, 3.0F, 3.4F, 5.0F, 10.0F, 30.0F}) {
      const Image expected = reference.Run(h);
      ForEachTarget([&](const std::string& target) {
        ASSERT_EQ(NlmDenoise(image, h).rgb, expected.rgb)
            << target << ", blue " << blue << ", h " << h;
      });
    }
  }
}

TEST(Nlm, WeightsFallFromFullToTheThreshold) {
  for (const float h : {0.01F, 3.0F, 10.0F, 100.0F}) {
    for (const int channels : {1, 2}) {
      const std::vector<int> weights = NlmWeights(h, channels);
      EXPECT_EQ(weights.front(), 19096);
      EXPECT_TRUE(std::ranges::is_sorted(weights, std::greater<>()));
      EXPECT_GE(weights.back(), 20);
    }
  }
  EXPECT_EQ(NlmWeights(3, 1).size(), 48);
  EXPECT_EQ(NlmWeights(3, 2).size(), 95);
}

TEST(Nlm, FactorsGiveEveryWeight) {
  for (const float h : {1.0F, 5.0F, 10.0F, 13.5F}) {
    for (const int channels : {1, 2}) {
      const std::vector<int> weights = NlmWeights(h, channels);
      const double decay = NlmDecay(h, channels);
      const auto factors = Factorise<64>(weights, FineFactors<32>(decay));
      const auto products = Factorise<32>(weights, FineProducts(decay));
      ASSERT_TRUE(factors.has_value() && products.has_value()) << "h " << h;
      for (size_t bin = 0; bin < weights.size(); ++bin) {
        ASSERT_EQ(factors->Weight(bin), weights[bin]) << "h " << h << ", bin " << bin;
        ASSERT_EQ(products->Weight(bin), weights[bin]) << "h " << h << ", bin " << bin;
      }
    }
  }
}

TEST(Nlm, FactorsGiveEveryWeightWhereEntriesAreSkipped) {
  const std::vector<int> weights = NlmWeights(10, 1);
  for (const size_t skipped : {7, 31, 32, 217}) {
    const auto factors = Factorise<64>(weights, FineFactors<32>(NlmDecay(10, 1)), skipped);
    ASSERT_TRUE(factors.has_value()) << "skipped " << skipped;
    for (size_t bin = 0; bin < weights.size(); ++bin) {
      ASSERT_EQ(factors->Weight(bin), weights[bin]) << "skipped " << skipped << ", bin " << bin;
    }
  }
}

TEST(Nlm, NoFactorsWhereOneWeightWouldBeWrong) {
  std::vector<int> weights = NlmWeights(5, 2);
  weights[100] += 1;
  const auto fine = FineFactors<32>(NlmDecay(5, 2));
  EXPECT_FALSE(Factorise<64>(weights, fine).has_value());
  EXPECT_FALSE(Factorise<4>(NlmWeights(5, 2), fine).has_value());  // too many
}

TEST(Nlm, LeavesOneColourAlone) {
  const Image plain{40, 30, std::vector<uint8_t>(size_t{3} * 40 * 30, 128)};
  const Image expected = FromLab(ToLab(plain));
  EXPECT_EQ(NlmDenoise(plain, 3).rgb, expected.rgb);
}

}  // namespace
}  // namespace pomona::image
