// Whether a bucket can be used, and if not what is missing.
#pragma once

#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/bucket.h"

namespace pomona::io {

struct BucketCheck {
  std::string what;  // "list", "write", "conditional write", "read", "delete", "list uploads"
  Status status;     // a sentence that names the missing policy action
};

// Tries each thing that reading images and writing results below `uri` takes, on a small object of
// its own that it removes again. An error if there are no credentials or the URI is none.
Result<std::vector<BucketCheck>> ProbeBucket(const std::string& uri, const BucketOptions& options);

// Where credentials for `uri` come from ("the profile default"), never what they are; "nobody: the
// requests are not signed" for anonymous ones.
std::string DescribeCredentials(const std::string& uri, const BucketOptions& options);

}  // namespace pomona::io
