#include "pomona/base/environment.h"

#include <gtest/gtest.h>

namespace pomona {
namespace {

TEST(EnvTest, IsEmptyWithoutTheVariable) {
  setenv("POMONA_ENV_TEST", "a b=c", 1);
  EXPECT_EQ(Env("POMONA_ENV_TEST"), "a b=c");
  setenv("POMONA_ENV_TEST", "", 1);
  EXPECT_EQ(Env("POMONA_ENV_TEST"), "");
  unsetenv("POMONA_ENV_TEST");
  EXPECT_EQ(Env("POMONA_ENV_TEST"), "");
}

}  // namespace
}  // namespace pomona
