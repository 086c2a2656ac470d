#include "pomona/view/palette.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

using Corners = std::vector<std::pair<double, double>>;

// Outlines for a radius of 1, y downwards.
Corners Outline(Shape shape) {
  static constexpr double kArm = 1.35, kHalf = 0.42;  // of a plus
  switch (shape) {
    case Shape::kCircle:
      return {};
    case Shape::kTriangle:
      return {{0, -1.4}, {1.25, 0.8}, {-1.25, 0.8}};
    case Shape::kTriangleDown:
      return {{0, 1.4}, {1.25, -0.8}, {-1.25, -0.8}};
    case Shape::kSquare:
      return {{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}};
    case Shape::kDiamond:
      return {{0, -1.35}, {1.35, 0}, {0, 1.35}, {-1.35, 0}};
    case Shape::kBowtie:
      return {{-1.15, -1.1}, {1.15, 1.1}, {1.15, -1.1}, {-1.15, 1.1}};
    case Shape::kPlus:
    case Shape::kCross:
      break;
  }
  Corners corners = {{-kHalf, -kArm}, {kHalf, -kArm}, {kHalf, -kHalf}, {kArm, -kHalf},
                     {kArm, kHalf},   {kHalf, kHalf}, {kHalf, kArm},   {-kHalf, kArm},
                     {-kHalf, kHalf}, {-kArm, kHalf}, {-kArm, -kHalf}, {-kHalf, -kHalf}};
  if (shape == Shape::kCross) {
    for (auto& [x, y] : corners) {
      const double turned = (x - y) * std::sqrt(0.5);
      y = (x + y) * std::sqrt(0.5);
      x = turned;
    }
  }
  return corners;
}

using Rgb = std::array<double, 3>;  // sRGB, 0 to 1

Rgb ParseColour(std::string_view hex) {
  Rgb rgb{};
  for (size_t c = 0; c < 3; ++c) {
    rgb[c] = std::stoi(std::string(hex.substr(1 + 2 * c, 2)), nullptr, 16) / 255.0;
  }
  return rgb;
}

std::string FormatColour(const Rgb& rgb) {
  std::array<char, 8> out;
  std::snprintf(out.data(), out.size(), "#%02x%02x%02x", static_cast<unsigned>(rgb[0] * 255 + 0.5),
                static_cast<unsigned>(rgb[1] * 255 + 0.5),
                static_cast<unsigned>(rgb[2] * 255 + 0.5));
  return out.data();
}

// WCAG 2.1, 1.4.3: 1 (white) to 21 (black).
double ContrastOnWhite(const Rgb& rgb) {
  const auto linear = [](double v) {
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  return 1.05 /
         (0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]) + 0.05);
}

}  // namespace

Mark MarkOf(int i) {
  const int colours = static_cast<int>(kPalette.size());
  return {kPalette[static_cast<size_t>(i % colours)], static_cast<Shape>(i / colours % kShapes)};
}

std::string MarkerPath(Shape shape, double radius) {
  if (shape == Shape::kCircle) return "h0";
  std::string path;
  std::pair<double, double> at = {0, 0};
  for (const auto& corner : Outline(shape)) {
    path += (path.empty() ? "m" : "l") + Number((corner.first - at.first) * radius, 2) + " " +
            Number((corner.second - at.second) * radius, 2);
    at = corner;
  }
  return path + "z";
}

std::string MarkerAttributes(const Mark& mark, double radius, double opacity, double rim) {
  if (mark.shape == Shape::kCircle) {
    return Attribute("stroke", mark.colour) + Attribute("stroke-width", 2 * (radius + rim)) +
           Attribute("stroke-linecap", "round") + Attribute("stroke-opacity", opacity);
  }
  std::string attributes = Attribute("fill", mark.colour) + Attribute("fill-opacity", opacity);
  if (rim > 0) {
    attributes += Attribute("stroke", mark.colour) + Attribute("stroke-width", 2 * rim) +
                  Attribute("stroke-opacity", opacity);
  }
  return attributes;
}

std::string TextColour(std::string_view colour) {
  static constexpr double kReadable = 5.5;  // WCAG AA asks for 4.5
  Rgb rgb = ParseColour(colour);
  while (ContrastOnWhite(rgb) < kReadable) {
    for (double& channel : rgb) channel *= 0.95;
  }
  return FormatColour(rgb);
}

}  // namespace pomona::view
