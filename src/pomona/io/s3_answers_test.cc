#include "pomona/io/s3_answers.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pomona::io {
namespace {

using ::testing::ElementsAre;

std::vector<uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }

// As the S3 API reference has it (ListObjectsV2), with encoding-type=url.
TEST(S3AnswersTest, ReadsAPageOfKeys) {
  const auto page = ParseS3Listing(Bytes(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
      "<Contents><Key>a/caf%C3%A9+%2B%0A%01.jpg</Key><ETag>&quot;70ee&quot;</ETag><Size>14</Size>"
      "</Contents><Contents><Key>%25%zz</Key><ETag>x</ETag><Size>0</Size></Contents>"
      "<CommonPrefixes><Prefix>a/b+c/</Prefix></CommonPrefixes></ListBucketResult>"));
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "a/caf\xC3\xA9 +\n\x01.jpg");
  EXPECT_EQ(page->objects[0].version, "\"70ee\"");
  EXPECT_EQ(page->objects[0].size, 14);
  EXPECT_EQ(page->objects[1].key, "%%zz");
  EXPECT_THAT(page->prefixes, ElementsAre("a/b c/"));
  EXPECT_EQ(page->next, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
}

TEST(S3AnswersTest, KeysThatAreNotEncodedStayAsTheyAre) {
  const auto page = ParseS3Listing(
      Bytes("<ListBucketResult><EncodingType></EncodingType><Contents><Key>a+b%20 &amp;&#xA;</Key>"
            "<Size>1</Size></Contents><Contents><Key> </Key><Size>2</Size></Contents>"
            "</ListBucketResult>"));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects[0].key, "a+b%20 &\n");
  EXPECT_EQ(page->objects[1].key, " ");
  EXPECT_EQ(page->next, "");
}

TEST(S3AnswersTest, WhatIsNoListingIsNoEmptyOne) {
  for (const std::string& text :
       {std::string(), std::string("<html><body>Welcome</body></html>"), std::string("\0\xFF", 2),
        std::string("<ListBucketResult><Contents><Key>a</Key>"),
        std::string("<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents>"
                    "</ListBucketResult>"),
        std::string("<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents>"
                    "</ListBucketResult>"),
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")}) {
    EXPECT_FALSE(ParseS3Listing(Bytes(text)).ok()) << text;
    EXPECT_FALSE(ParseS3UploadId(Bytes(text)).ok()) << text;
    EXPECT_EQ(ParseS3Error(Bytes(text)).code, "") << text;
  }
}

TEST(S3AnswersTest, TellsWhatIsCut) {
  const std::string whole = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
  for (size_t size = 5; size < whole.size(); ++size) {
    EXPECT_TRUE(IsCutXml(Bytes(whole.substr(0, size)))) << size;
  }
  for (const std::string& text : {whole, std::string(), std::string("denied")}) {
    EXPECT_FALSE(IsCutXml(Bytes(text))) << text;
  }
}

TEST(S3AnswersTest, ReadsErrorsAndUploads) {
  const S3Error error = ParseS3Error(
      Bytes("<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong region</Message>"
            "<Region>eu-west-1</Region></Error>"));
  EXPECT_EQ(error.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error.message, "wrong region");
  EXPECT_EQ(error.region, "eu-west-1");
  const auto uploads = ParseS3Uploads(
      Bytes("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k"
            "</NextKeyMarker><NextUploadIdMarker>7</NextUploadIdMarker><Upload><Key>k</Key>"
            "<UploadId>7</UploadId></Upload></ListMultipartUploadsResult>"));
  ASSERT_TRUE(uploads.ok());
  ASSERT_EQ(uploads->uploads.size(), 1U);
  EXPECT_EQ(uploads->uploads[0].key + uploads->uploads[0].id, "k7");
  EXPECT_EQ(uploads->next_key + uploads->next_id, "k7");
  EXPECT_EQ(ParseS3UploadId(Bytes("<InitiateMultipartUploadResult><UploadId>abc</UploadId>"
                                  "</InitiateMultipartUploadResult>"))
                .ValueOrDie(),
            "abc");
}

}  // namespace
}  // namespace pomona::io
