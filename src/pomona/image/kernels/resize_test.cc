#include "pomona/image/kernels/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

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

// OpenCV's cubic in integers as it is defined: 4 x 4 pixels around each, those at the edge
// repeated.
class CubicReference {
 public:
  CubicReference(const Image& image, int width, int height)
      : image_(image), width_(width), height_(height) {}

  Image Run() const {
    Image out{width_, height_, {}};
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        for (int c = 0; c < 3; ++c) out.rgb.push_back(Sample(x, y, c));
      }
    }
    return out;
  }

 private:
  struct Taps {
    int first;
    std::array<int64_t, 4> weight;
  };

  static Taps TapsOf(int i, int from, int to) {
    const auto at = static_cast<float>((i + 0.5) * (static_cast<double>(from) / to) - 0.5);
    const float left = std::floor(at);
    const float x = at - left;
    constexpr float kA = -0.75F;
    const auto outer = [](float d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
    const auto inner = [](float d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
    const std::array<float, 3> w = {outer(x + 1), inner(x), inner(1 - x)};
    Taps taps{static_cast<int>(left) - 1, {}};
    for (size_t k = 0; k < 3; ++k) taps.weight[k] = std::lrint(w[k] * 2048);
    taps.weight[3] = std::lrint((1 - w[0] - w[1] - w[2]) * 2048);
    return taps;
  }

  uint8_t Sample(int x, int y, int c) const {
    const Taps across = TapsOf(x, image_.width, width_);
    const Taps down = TapsOf(y, image_.height, height_);
    int64_t sum = 0;
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 4; ++i) {
        const int column = std::clamp(across.first + i, 0, image_.width - 1);
        const int row = std::clamp(down.first + j, 0, image_.height - 1);
        const auto at = static_cast<size_t>((row * image_.width + column) * 3 + c);
        sum += across.weight[static_cast<size_t>(i)] * down.weight[static_cast<size_t>(j)] *
               image_.rgb[at];
      }
    }
    // Exact in double; std::nearbyint takes the even one of two.
    const double level = std::nearbyint(static_cast<double>(sum) / (1 << 22));
    return static_cast<uint8_t>(std::clamp(level, 0.0, 255.0));
  }

  const Image& image_;
  int width_;
  int height_;
};

// Black and white overshoot most; sizes below 4 have fewer pixels than taps; twice the size has
// values midway between two levels.
TEST(Resize, BicubicFollowsTheDefinitionOnEveryInstructionSet) {
  for (const auto& [width, height] : {std::pair{1, 1}, {2, 3}, {3, 2}, {4, 1}, {5, 7}, {40, 21}}) {
    Image image = Noise(width, height);
    for (const bool black_and_white : {false, true}) {
      if (black_and_white) {
        for (uint8_t& value : image.rgb) value = value > 127 ? 255 : 0;
      }
      for (const auto& [w, h] : {std::pair{2 * width, 2 * height}, {23, 9}, {1, 2}, {100, 30}}) {
        const Image expected = CubicReference(image, w, h).Run();
        ForEachTarget([&, from = width, to = w](const std::string& target) {
          ASSERT_EQ(ResizeBicubic(image, to, expected.height).rgb, expected.rgb)
              << target << ", width " << from << " to " << to;
        });
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
