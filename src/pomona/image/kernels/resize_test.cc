#include "pomona/image/kernels/resize.h"

#include <gtest/gtest.h>

#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

using Resize = Image (*)(const Image&, int, int);

struct Method {
  const char* name;
  Resize resize;
  double most_unequal;  // share of values
};

// OpenCV's cubic goes through float, ours does not: where a value lies midway between two levels
// they may differ by one.
constexpr Method kMethods[] = {
    {"bilinear", &ResizeBilinear, 0},
    {"area", &ResizeArea, 0},
    {"bicubic", &ResizeBicubic, 0.001},
    {"pil-bilinear", &ResizePilBilinear, 0},
};

TEST(Resize, BilinearEqualsOpenCvOnSamples) {
  for (int i = 0; i < 50; ++i) {
    const Image out = ResizeBilinear(LoadImage("pixels.npz", "decoded", i), 224, 224);
    EXPECT_EQ(Compare(out, LoadImage("pixels.npz", "resized", i)).unequal, 0) << "sample " << i;
  }
}

TEST(Resize, ShrinksAsOpenCvAndPillow) {
  const Image source = LoadImage("recipes.npz", "source");
  for (const Method& method : kMethods) {
    for (const auto& [width, height] : {std::pair{224, 150}, {150, 100}, {100, 67}, {75, 50}}) {
      const std::string name =
          std::string(method.name) + "_" + std::to_string(width) + "x" + std::to_string(height);
      const Difference difference =
          Compare(method.resize(source, width, height), LoadImage("recipes.npz", name));
      EXPECT_LE(difference.share, method.most_unequal) << name;
      EXPECT_LE(difference.largest, 1) << name;
    }
  }
}

TEST(Resize, EnlargesAsOpenCvAndPillow) {
  const Image small = LoadImage("recipes.npz", "small");
  for (const Method& method : kMethods) {
    const std::string name = std::string(method.name) + "_up";
    const Difference difference =
        Compare(method.resize(small, 150, 131), LoadImage("recipes.npz", name));
    EXPECT_LE(difference.share, method.most_unequal) << name;
    EXPECT_LE(difference.largest, 1) << name;
  }
}

TEST(Resize, SameSizeChangesNothing) {
  const Image noise = Noise(31, 17);
  for (const Method& method : kMethods) {
    EXPECT_EQ(method.resize(noise, 31, 17).rgb, noise.rgb) << method.name;
  }
}

TEST(Resize, OneColourStaysItAtAnySize) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 9}, {9, 1}, {13, 8}, {500, 2}}) {
    Image plain{width, height, {}};
    for (int i = 0; i < width * height; ++i) plain.rgb.insert(plain.rgb.end(), {255, 0, 77});
    for (const Method& method : kMethods) {
      for (const auto& [w, h] : {std::pair{1, 1}, {224, 224}, {3, 5}, {7, 300}}) {
        const Image out = method.resize(plain, w, h);
        ASSERT_EQ(out.rgb.size(), size_t{3} * static_cast<size_t>(w * h));
        for (size_t i = 0; i < out.rgb.size(); i += 3) {
          ASSERT_EQ(out.rgb[i], 255) << method.name << " " << width << "x" << height;
          ASSERT_EQ(out.rgb[i + 1], 0) << method.name;
          ASSERT_EQ(out.rgb[i + 2], 77) << method.name;
        }
      }
    }
  }
}

TEST(Resize, EveryInstructionSetGivesTheSameBytes) {
  const Image noise = Noise(97, 61);
  for (const Method& method : kMethods) {
    for (const auto& [w, h] : {std::pair{224, 224}, {40, 30}, {224, 30}, {5, 3}}) {
      const Image expected = method.resize(noise, w, h);
      ForEachTarget([&](const std::string& target) {
        EXPECT_EQ(method.resize(noise, w, h).rgb, expected.rgb) << method.name << " on " << target;
      });
    }
  }
}

}  // namespace
}  // namespace pomona::image
