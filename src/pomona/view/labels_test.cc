#include "pomona/view/labels.h"

#include <cmath>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace pomona::view {
namespace {

constexpr Box kBounds{0, 0, 400, 300};

bool Overlap(const Box& a, const Box& b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

double CentreX(const Box& box) { return (box.left + box.right) / 2; }
double CentreY(const Box& box) { return (box.top + box.bottom) / 2; }

TEST(PlaceLabels, CentresWhatHasRoom) {
  const auto boxes = PlaceLabels({{100, 50, 40, 10}, {300, 200, 60, 12}}, {}, kBounds, 50);
  ASSERT_TRUE(boxes.at(0) && boxes.at(1));
  EXPECT_DOUBLE_EQ(CentreX(*boxes[0]), 100);
  EXPECT_DOUBLE_EQ(CentreY(*boxes[0]), 50);
  EXPECT_DOUBLE_EQ(boxes[1]->width(), 60);
}

TEST(PlaceLabels, NoneOverlapsAndTheFirstKeepsItsPlace) {
  const std::vector<LabelWish> wishes(30, LabelWish{200, 150, 50, 10});
  const auto boxes = PlaceLabels(wishes, {}, kBounds, 100);
  EXPECT_DOUBLE_EQ(CentreX(boxes.at(0).value()), 200);
  for (size_t i = 0; i < boxes.size(); ++i) {
    ASSERT_TRUE(boxes[i]) << i;
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(Overlap(*boxes[i], *boxes[j])) << i << " " << j;
    EXPECT_LE(std::hypot(CentreX(*boxes[i]) - 200, CentreY(*boxes[i]) - 150), 100 + 1e-9);
  }
}

TEST(PlaceLabels, KeepsOffObstaclesAndInsideTheBounds) {
  const Box obstacle{95, 45, 105, 55};
  const auto boxes = PlaceLabels({{100, 50, 40, 10}, {1, 1, 40, 10}}, {obstacle}, kBounds, 50);
  ASSERT_TRUE(boxes.at(0) && boxes.at(1));
  EXPECT_FALSE(Overlap(*boxes[0], obstacle));
  EXPECT_GE(boxes[1]->left, 0);
  EXPECT_GE(boxes[1]->top, 0);
}

TEST(PlaceLabels, GivesUpBeyondItsReach) {
  const Box everything{0, 0, 400, 300};
  EXPECT_EQ(PlaceLabels({{100, 50, 40, 10}}, {everything}, kBounds, 100).at(0), std::nullopt);
  EXPECT_EQ(PlaceLabels({{200, 150, 500, 10}}, {}, kBounds, 100).at(0), std::nullopt);
}

}  // namespace
}  // namespace pomona::view
