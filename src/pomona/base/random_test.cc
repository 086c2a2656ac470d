#include "pomona/base/random.h"

#include <gtest/gtest.h>

namespace pomona {
namespace {

TEST(RandomHexTest, HasItsDigitsAndIsAnotherEachTime) {
  const std::string one = RandomHex(32), two = RandomHex(32);
  EXPECT_EQ(one.size(), 32U);
  EXPECT_EQ(one.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(one, two);
}

}  // namespace
}  // namespace pomona
