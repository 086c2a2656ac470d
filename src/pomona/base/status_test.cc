#include "pomona/base/status.h"

#include <gtest/gtest.h>

namespace pomona {
namespace {

TEST(StatusTest, KindsAreToldApart) {
  const Status usage = UsageError("no such flag");
  const Status nothing = NothingToRead("empty folder");
  EXPECT_FALSE(usage.ok());
  EXPECT_TRUE(IsUsageError(usage));
  EXPECT_FALSE(IsNothingToRead(usage));
  EXPECT_FALSE(nothing.ok());
  EXPECT_TRUE(IsNothingToRead(nothing));
  EXPECT_FALSE(IsUsageError(nothing));
  EXPECT_EQ(usage.message(), "no such flag");
}

TEST(StatusTest, OrdinaryErrorsAreOfNoKind) {
  for (const Status& status : {Status::OK(), Status::Invalid("x"), Status::IOError("x")}) {
    EXPECT_FALSE(IsUsageError(status)) << status;
    EXPECT_FALSE(IsNothingToRead(status)) << status;
  }
  EXPECT_TRUE(Interrupted("stopped").IsCancelled());
}

TEST(StatusTest, ContextKeepsCodeAndKind) {
  const Status status = WithContext(NothingToRead("no image"), "fruits");
  EXPECT_EQ(status.message(), "fruits: no image");
  EXPECT_TRUE(IsNothingToRead(status));
  EXPECT_TRUE(status.IsIOError());
  EXPECT_TRUE(WithContext(Interrupted("stopped"), "fruits").IsCancelled());
  EXPECT_TRUE(WithContext(Status::OK(), "fruits").ok());
}

}  // namespace
}  // namespace pomona
