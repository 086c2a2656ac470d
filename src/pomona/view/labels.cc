#include "pomona/view/labels.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pomona::view {
namespace {

constexpr double kRingStep = 4;  // pixels
constexpr int kDirections = 24;

bool Overlap(const Box& a, const Box& b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

bool Inside(const Box& a, const Box& bounds) {
  return a.left >= bounds.left && a.right <= bounds.right && a.top >= bounds.top &&
         a.bottom <= bounds.bottom;
}

Box Centred(const LabelWish& wish, double dx, double dy) {
  const double x = wish.x + dx, y = wish.y + dy;
  return {x - wish.width / 2, y - wish.height / 2, x + wish.width / 2, y + wish.height / 2};
}

std::optional<Box> FindPlace(const LabelWish& wish, const std::vector<Box>& taken,
                             const Box& bounds, double reach) {
  for (double radius = 0; radius <= reach; radius += kRingStep) {
    for (int i = 0; i < (radius == 0 ? 1 : kDirections); ++i) {
      // From straight up (-y), alternating to both sides.
      const double turn = (i % 2 == 0 ? i / 2 : -(i + 1) / 2) * 2 * std::numbers::pi / kDirections;
      const Box box = Centred(wish, radius * std::sin(turn), -radius * std::cos(turn));
      const bool free =
          std::none_of(taken.begin(), taken.end(), [&](const Box& b) { return Overlap(box, b); });
      if (free && Inside(box, bounds)) return box;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::optional<Box>> PlaceLabels(const std::vector<LabelWish>& wishes,
                                            const std::vector<Box>& obstacles, const Box& bounds,
                                            double reach) {
  std::vector<std::optional<Box>> boxes;
  std::vector<Box> taken = obstacles;
  for (const LabelWish& wish : wishes) {
    boxes.push_back(FindPlace(wish, taken, bounds, reach));
    if (boxes.back()) taken.push_back(*boxes.back());
  }
  return boxes;
}

}  // namespace pomona::view
