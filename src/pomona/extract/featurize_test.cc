#include "pomona/extract/featurize.h"

#include <gtest/gtest.h>

namespace pomona::extract {
namespace {

size_t GroupSize(int side, size_t remaining, int threads, int64_t bytes = 20'000'000) {
  image::Recipe recipe;
  recipe.width = recipe.height = side;
  const image::DecodeLimits limits;
  return Featurizer(nullptr, recipe, limits).GroupSize(bytes, remaining, threads);
}

TEST(GroupSize, IsBoundedByMemory) {
  EXPECT_EQ(GroupSize(224, 1'000'000, 2), 128U);
  EXPECT_EQ(GroupSize(1000, 1'000'000, 2), 6U);
  EXPECT_EQ(GroupSize(4096, 1'000'000, 2), 1U);
  EXPECT_EQ(GroupSize(224, 1'000'000, 2, 0), 1U);
}

TEST(GroupSize, ShrinksToOneImageWhereThreadsWaitForEachOther) {
  EXPECT_EQ(GroupSize(224, 40, 1), 40U);
  for (const int threads : {2, 7}) {
    size_t remaining = 1000;
    size_t last = GroupSize(224, remaining, threads);
    for (size_t size = last; remaining > 0; remaining -= size) {
      size = GroupSize(224, remaining, threads);
      EXPECT_GE(size, 1U);
      EXPECT_LE(size, last);
      last = size;
    }
    EXPECT_EQ(last, 1U);
  }
}

}  // namespace
}  // namespace pomona::extract
