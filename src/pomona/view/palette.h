// Colours and marker shapes that tell classes apart, also for the colour-blind.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace pomona::view {

// Okabe and Ito's palette without its yellow, which is too light for small points on white; its
// black is a dark grey here. Most distinct first. Ref: Okabe, Ito, "Color Universal Design" (2008).
inline constexpr std::array<std::string_view, 7> kPalette = {
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#333333"};
inline constexpr std::string_view kNeutral = "#bdc1c6";     // points beside labelled ones
inline constexpr std::string_view kAllNeutral = "#5f6368";  // when there is no label at all

enum class Shape { kCircle, kTriangle, kSquare, kDiamond, kPlus, kTriangleDown, kCross, kBowtie };
inline constexpr int kShapes = 8;

// How a class is drawn.
struct Mark {
  std::string_view colour = kPalette[0];
  Shape shape = Shape::kCircle;

  bool operator==(const Mark&) const = default;
};

// The mark of class `i`: every colour once as circles, then once as triangles, ...; repeats after
// kPalette.size() * kShapes classes.
Mark MarkOf(int i);

// Path commands that follow "Mx y" to draw a marker of about the area of a circle of `radius`
// around that point.
std::string MarkerPath(Shape shape, double radius);
// The attributes of a path of such markers, all grown by a rim of `rim` pixels. They are not
// elements of their own, and circles are zero-length strokes with round caps, because that keeps a
// drawing of 20,000 points small.
std::string MarkerAttributes(const Mark& mark, double radius, double opacity, double rim);

// `colour` darkened until it can be read as text on white.
std::string TextColour(std::string_view colour);

}  // namespace pomona::view
