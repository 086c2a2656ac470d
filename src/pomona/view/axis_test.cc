#include "pomona/view/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pomona::view {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

TEST(RoundStep, IsTheNextOneTwoOrFive) {
  EXPECT_DOUBLE_EQ(RoundStep(0.3), 0.5);
  EXPECT_DOUBLE_EQ(RoundStep(5.1), 10);
  EXPECT_DOUBLE_EQ(RoundStep(2), 2);
  EXPECT_DOUBLE_EQ(RoundStep(1000), 1000);
  EXPECT_DOUBLE_EQ(RoundStep(1.1e-7), 2e-7);
  EXPECT_DOUBLE_EQ(RoundStep(1.1, {1, 1.5, 2}), 1.5);
}

TEST(Axis, MapsItsEndsAndTurnsAround) {
  const Axis axis{-1, 3, 500, 100};
  EXPECT_DOUBLE_EQ(axis.Pixel(-1), 500);
  EXPECT_DOUBLE_EQ(axis.Pixel(3), 100);
  EXPECT_DOUBLE_EQ(axis.Pixel(1), 300);
}

TEST(Axis, TicksAreTheMultiplesWithin) {
  EXPECT_THAT((Axis{-1.2, 2.1, 0, 1}.Ticks(1)), ElementsAre(-1, 0, 1, 2));
  EXPECT_THAT((Axis{0.05, 0.35, 0, 1}.Ticks(0.1)),
              ElementsAre(DoubleNear(0.1, 1e-12), DoubleNear(0.2, 1e-12), DoubleNear(0.3, 1e-12)));
  EXPECT_TRUE((Axis{0.1, 0.2, 0, 1}.Ticks(5)).empty());
}

TEST(TickLabel, HasTheDecimalsOfTheStep) {
  EXPECT_EQ(TickLabel(-10, 5), "\u221210");
  EXPECT_EQ(TickLabel(0.1 * 3, 0.1), "0.3");
  EXPECT_EQ(TickLabel(1, 0.5), "1");
  EXPECT_EQ(TickLabel(0.25, 0.05), "0.25");
  EXPECT_EQ(TickLabel(4.5, 1.5), "4.5");
  EXPECT_EQ(TickLabel(3, 1.5), "3");
  EXPECT_EQ(TickLabel(0.75, 0.25), "0.75");
  EXPECT_EQ(TickLabel(1e-17, 0.1), "0");
  EXPECT_EQ(TickLabel(-1e-17, 0.1), "0");
}

TEST(TickLabel, OfManyDigitsIsScientific) {
  EXPECT_EQ(TickLabel(1e7, 5e6), "1e7");
  EXPECT_EQ(TickLabel(-2.5e7, 5e6), "\u22122.5e7");
  EXPECT_EQ(TickLabel(1e-5, 1e-5), "1e\u22125");
  EXPECT_EQ(TickLabel(1e100, 1e99), "1e100");
}

}  // namespace
}  // namespace pomona::view
