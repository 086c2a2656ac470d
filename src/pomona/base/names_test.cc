#include "pomona/base/names.h"

#include <gtest/gtest.h>

namespace pomona {
namespace {

enum class Fruit { kApple, kPear, kPlum };

constexpr Names<Fruit, 2> kNames = {{{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}}};

static_assert(NameOf(kNames, Fruit::kPear) == "pear");
static_assert(ValueOf(kNames, "apple") == Fruit::kApple);

TEST(NamesTest, WhatTheTableHasNot) {
  EXPECT_EQ(NameOf(kNames, Fruit::kPlum), "unknown");
  EXPECT_EQ(ValueOf(kNames, "plum"), std::nullopt);
  EXPECT_EQ(ValueOf(kNames, "appl"), std::nullopt);
  EXPECT_EQ(ValueOf(kNames, ""), std::nullopt);
}

}  // namespace
}  // namespace pomona
