#include "pomona/io/bucket.h"

#include <array>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/io/arrow_bucket.h"
#include "pomona/io/file.h"
#include "pomona/io/s3_bucket.h"

namespace pomona::io {
namespace {

constexpr std::array<std::string_view, 6> kSchemes = {"s3", "gs", "gcs", "az", "abfs", "abfss"};

}  // namespace

bool IsBucketUri(const std::string& uri) {
  const std::string scheme = UriScheme(uri);
  return std::find(kSchemes.begin(), kSchemes.end(), scheme) != kSchemes.end();
}

Result<BucketUri> ParseBucketUri(const std::string& uri) {
  BucketUri out;
  out.scheme = UriScheme(uri);
  std::string rest = uri.substr(out.scheme.size() + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  out.key = rest.substr(slash);
  while (out.key.starts_with('/')) out.key.erase(0, 1);
  while (out.key.ends_with('/')) out.key.pop_back();
  if (out.bucket.empty() || out.bucket.find_first_of(" ?#") != std::string::npos) {
    return UsageError(Quoted(uri) + " names no bucket: write " + out.scheme + "://BUCKET/FOLDER");
  }
  return out;
}

Result<std::shared_ptr<Bucket>> OpenBucket(const BucketUri& uri, const BucketOptions& options) {
  if (uri.scheme != "s3") return OpenArrowBucket(uri, options);
  ARROW_ASSIGN_OR_RAISE(auto client, S3Client::Make(uri, options));
  return std::make_shared<S3Bucket>(std::move(client));
}

}  // namespace pomona::io
