#include "pomona/io/bucket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pomona::io {
namespace {

using ::testing::HasSubstr;

TEST(BucketUriTest, SplitsBucketAndKey) {
  const auto parse = [](const std::string& uri) {
    const BucketUri parsed = ParseBucketUri(uri).ValueOrDie();
    return parsed.Root() + " " + parsed.key;
  };
  EXPECT_EQ(parse("s3://fruits"), "s3://fruits ");
  EXPECT_EQ(parse("s3://fruits/"), "s3://fruits ");
  EXPECT_EQ(parse("s3://fruits/input images/a%20b?#/"), "s3://fruits input images/a%20b?#");
  EXPECT_EQ(parse("gs://b//k"), "gs://b k");
  EXPECT_EQ(parse("abfs://c@account.dfs.core.windows.net/k"),
            "abfs://c@account.dfs.core.windows.net k");
}

TEST(BucketUriTest, RefusesWhatNamesNoBucket) {
  for (const char* uri : {"s3://", "s3:///key", "gs:// x/y", "az://?"}) {
    EXPECT_TRUE(IsUsageError(ParseBucketUri(uri).status())) << uri;
  }
}

TEST(BucketUriTest, KnowsTheSchemesOfStores) {
  for (const char* uri : {"s3://b", "gs://b", "az://b", "abfs://b", "abfss://b"}) {
    EXPECT_TRUE(IsBucketUri(uri)) << uri;
  }
  for (const char* uri : {"", "s3", "/s3://b", "file:///x", "http://x", "a/s3://b"}) {
    EXPECT_FALSE(IsBucketUri(uri)) << uri;
  }
}

TEST(OpenBucketTest, AnEndpointIsAUrl) {
  BucketOptions options;
  options.endpoint = "localhost:9000";
  options.anonymous = true;
  const Status status = OpenBucket({"s3", "b", ""}, options).status();
  EXPECT_TRUE(IsUsageError(status));
  EXPECT_THAT(status.message(), HasSubstr("begins with http://"));
}

}  // namespace
}  // namespace pomona::io
