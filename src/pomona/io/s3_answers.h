// What S3 answers, out of its XML.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/bucket.h"

namespace pomona::io {

struct S3Error {
  std::string code;     // "NoSuchKey"; "" if the body is no error
  std::string message;  // the server's own words
  std::string region;   // where the bucket is, if that was the mistake
};
S3Error ParseS3Error(const std::vector<uint8_t>& body);

// Whether it begins as an XML document and does not end as one: what an error says of an object is
// not to be believed then.
bool IsCutXml(const std::vector<uint8_t>& body);

struct S3Listing {
  std::vector<Object> objects;
  std::vector<std::string> prefixes;  // "folders", with the slash, when listed with a delimiter
  std::string next;                   // continuation token; "" at the end
};
Result<S3Listing> ParseS3Listing(const std::vector<uint8_t>& body);

struct S3Uploads {
  std::vector<Upload> uploads;
  std::string next_key;  // markers of the next page; "" at the end
  std::string next_id;
};
Result<S3Uploads> ParseS3Uploads(const std::vector<uint8_t>& body);

// The id of a multipart upload that was begun.
Result<std::string> ParseS3UploadId(const std::vector<uint8_t>& body);

}  // namespace pomona::io
