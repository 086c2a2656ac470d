#include "pomona/image/kernels/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pomona/image/kernels/border.h"
#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

struct Filter {
  const char* name;
  Image (*run)(const Image&);
  double most_unequal;  // share of values
};

constexpr Filter kFilters[] = {
    {"gaussian", &GaussianBlur3, 0},
    {"median", &MedianBlur3, 0},
    {"bilateral", &BilateralFilter5, 0.001},
};

TEST(Filter, EqualsOpenCv) {
  const Image small = LoadImage("recipes.npz", "small");
  for (const Filter& filter : kFilters) {
    const Difference difference = Compare(filter.run(small), LoadImage("recipes.npz", filter.name));
    EXPECT_LE(difference.share, filter.most_unequal) << filter.name;
    EXPECT_LE(difference.largest, 1) << filter.name;
  }
}

int At(const Image& image, int x, int y, int c) {
  return image.rgb[static_cast<size_t>((y * image.width + x) * 3 + c)];
}

TEST(Filter, MedianIsTheMiddleOfNineSorted) {
  const Image noise = Noise(37, 11);
  const Image out = MedianBlur3(noise);
  for (int y = 0; y < noise.height; ++y) {
    for (int x = 0; x < noise.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        std::vector<int> nine;
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) {
            nine.push_back(At(noise, std::clamp(x + dx, 0, noise.width - 1),
                              std::clamp(y + dy, 0, noise.height - 1), c));
          }
        }
        std::ranges::sort(nine);
        ASSERT_EQ(At(out, x, y, c), nine[4]);
      }
    }
  }
}

// The definition, in double.
int BilateralAt(const Image& image, int x, int y, int c) {
  double sum = 0;
  double total = 0;
  for (int dy = -2; dy <= 2; ++dy) {
    for (int dx = -2; dx <= 2; ++dx) {
      if (dx * dx + dy * dy > 4) continue;
      const int there_x = Reflect(x + dx, image.width);
      const int there_y = Reflect(y + dy, image.height);
      double colour = 0;
      for (int k = 0; k < 3; ++k) {
        colour += std::abs(At(image, x, y, k) - At(image, there_x, there_y, k));
      }
      const double weight = std::exp(-(dx * dx + dy * dy + colour * colour) / 5000.0);
      sum += weight * At(image, there_x, there_y, c);
      total += weight;
    }
  }
  return static_cast<int>(sum / total + 0.5);
}

TEST(Filter, BilateralFollowsItsDefinition) {
  const Image noise = Noise(23, 9);
  const Image out = BilateralFilter5(noise);
  for (int y = 0; y < noise.height; ++y) {
    for (int x = 0; x < noise.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        ASSERT_NEAR(At(out, x, y, c), BilateralAt(noise, x, y, c), 1);
      }
    }
  }
}

TEST(Filter, WorksOnOnePixelAndOneRow) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 4}, {4, 1}, {2, 2}}) {
    Image plain{width, height,
                std::vector<uint8_t>(size_t{3} * static_cast<size_t>(width * height), 200)};
    for (const Filter& filter : kFilters) {
      EXPECT_EQ(filter.run(plain).rgb, plain.rgb) << filter.name;
    }
  }
}

TEST(Filter, EveryInstructionSetGivesTheSameBytes) {
  const Image noise = Noise(101, 33);
  for (const Filter& filter : kFilters) {
    const Image expected = filter.run(noise);
    ForEachTarget([&](const std::string& target) {
      EXPECT_EQ(filter.run(noise).rgb, expected.rgb) << filter.name << " on " << target;
    });
  }
}

}  // namespace
}  // namespace pomona::image
