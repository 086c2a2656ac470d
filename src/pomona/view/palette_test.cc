#include "pomona/view/palette.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace pomona::view {
namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

// Linear RGB as a dichromat sees it: Machado, Oliveira, Fernandes, "A Physiologically-based Model
// for Simulation of Color Vision Deficiency", IEEE TVCG 15 (2009), severity 1.0.
constexpr Matrix kNormal = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
constexpr Matrix kProtanopia = {{{0.152286, 1.052583, -0.204868},
                                 {0.114503, 0.786281, 0.099216},
                                 {-0.003882, -0.048116, 1.051998}}};
constexpr Matrix kDeuteranopia = {{{0.367322, 0.860646, -0.227968},
                                   {0.280085, 0.672501, 0.047413},
                                   {-0.011820, 0.042940, 0.968881}}};
constexpr Matrix kTritanopia = {{{1.255528, -0.076749, -0.178779},
                                 {-0.078411, 0.930809, 0.147602},
                                 {0.004733, 0.691367, 0.303900}}};
// Linear sRGB -> CIE XYZ, D65.
constexpr Matrix kToXyz = {{{0.4124564, 0.3575761, 0.1804375},
                            {0.2126729, 0.7151522, 0.0721750},
                            {0.0193339, 0.1191920, 0.9503041}}};

Vector Times(const Matrix& m, const Vector& v) {
  Vector out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) out[i] += m[i][j] * v[j];
  }
  return out;
}

Vector Linear(std::string_view hex) {
  Vector rgb{};
  for (size_t c = 0; c < 3; ++c) {
    const double v = std::stoi(std::string(hex.substr(1 + 2 * c, 2)), nullptr, 16) / 255.0;
    rgb[c] = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  }
  return rgb;
}

// CIELAB of a colour seen through `vision`.
Vector Lab(std::string_view hex, const Matrix& vision) {
  Vector rgb = Times(vision, Linear(hex));
  for (double& v : rgb) v = std::clamp(v, 0.0, 1.0);
  Vector f = Times(kToXyz, rgb);
  constexpr Vector kWhite = {0.95047, 1, 1.08883};
  for (size_t i = 0; i < 3; ++i) {
    const double t = f[i] / kWhite[i];
    f[i] = t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116;
  }
  return {116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])};
}

double Difference(std::string_view a, std::string_view b, const Matrix& vision) {
  const Vector p = Lab(a, vision), q = Lab(b, vision);
  return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

double ContrastOnWhite(std::string_view hex) {
  return 1.05 / (Times(kToXyz, Linear(hex))[1] + 0.05);
}

// A difference of 2.3 is just noticeable; of 15, told apart at a glance.
TEST(Palette, IsToldApartByTheColourBlind) {
  std::vector<std::string_view> colours(kPalette.begin(), kPalette.end());
  colours.push_back(kNeutral);
  for (const Matrix& vision : {kNormal, kProtanopia, kDeuteranopia, kTritanopia}) {
    for (size_t i = 0; i < colours.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        EXPECT_GE(Difference(colours[i], colours[j], vision), 15) << colours[i] << colours[j];
      }
    }
  }
}

TEST(Palette, StandsOutFromWhite) {
  for (std::string_view colour : kPalette) {
    EXPECT_GE(Difference(colour, "#ffffff", kNormal), 40) << colour;
  }
}

TEST(Palette, TextIsReadable) {
  for (std::string_view colour : kPalette) {
    EXPECT_GE(ContrastOnWhite(TextColour(colour)), 4.5) << colour;  // WCAG AA
  }
  EXPECT_EQ(TextColour("#333333"), "#333333");
}

TEST(MarkOf, IsUniqueForAsManyClassesAsThereAreMarks) {
  const int marks = static_cast<int>(kPalette.size()) * kShapes;
  std::set<std::pair<std::string_view, Shape>> seen;
  for (int i = 0; i < marks; ++i) seen.insert({MarkOf(i).colour, MarkOf(i).shape});
  EXPECT_EQ(seen.size(), static_cast<size_t>(marks));
  EXPECT_EQ(MarkOf(marks), MarkOf(0));
  EXPECT_EQ(MarkOf(6).shape, Shape::kCircle);
  EXPECT_EQ(MarkOf(7).shape, Shape::kTriangle);
}

TEST(MarkerPath, StartsRelativeAndDiffersByShape) {
  std::set<std::string> paths;
  for (int i = 0; i < kShapes; ++i) {
    const std::string path = MarkerPath(static_cast<Shape>(i), 2);
    EXPECT_EQ(path.find_first_of("MLHVZ"), std::string::npos) << path;  // absolute commands
    paths.insert(path);
  }
  EXPECT_EQ(paths.size(), static_cast<size_t>(kShapes));
}

}  // namespace
}  // namespace pomona::view
