#include "pomona/io/bucket_probe.h"

#include <memory>
#include <optional>
#include <utility>

#include "pomona/base/random.h"
#include "pomona/base/text.h"
#include "pomona/io/credentials.h"
#include "pomona/io/file.h"

namespace pomona::io {
namespace {

constexpr std::string_view kProbe = "pomona doctor";

Status CheckList(const Bucket& bucket, const std::string& prefix) {
  // One page says enough.
  const Status listed =
      bucket.List(prefix, [](const std::vector<Object>&) { return Interrupted("enough"); }, {});
  return listed.IsCancelled() ? Status::OK() : listed;
}

Status CheckConditional(Bucket* bucket, const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(const bool twice, bucket->PutIf(key, kProbe, std::nullopt));
  if (!twice && bucket->conditional()) return Status::OK();
  return Status::NotImplemented(
      bucket->uri(),
      " has no conditional writes here: of runs that commit to one "
      "dataset in the same moment the last one wins; let one run at a time write there");
}

Status CheckRead(const Bucket& bucket, const std::string& key) {
  ARROW_ASSIGN_OR_RAISE(const auto content, bucket.Get(key));
  if (content && std::string(content->bytes.begin(), content->bytes.end()) == kProbe) {
    return Status::OK();
  }
  return Status::IOError(bucket.uri(), " does not give back what was written to it");
}

}  // namespace

Result<std::vector<BucketCheck>> ProbeBucket(const std::string& uri, const BucketOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const BucketUri place, ParseBucketUri(uri));
  ARROW_ASSIGN_OR_RAISE(const auto bucket, OpenBucket(place, options));
  const std::string prefix = place.key.empty() ? "" : place.key + "/";
  const std::string key = prefix + ".pomona-doctor-" + RandomHex(8);
  std::vector<BucketCheck> checks;
  checks.push_back({"list", CheckList(*bucket, prefix)});
  const auto written = bucket->PutIf(key, kProbe, std::nullopt);
  checks.push_back({"write", written.status()});
  if (written.ok()) {
    checks.push_back({"conditional write", CheckConditional(bucket.get(), key)});
    checks.push_back({"read", CheckRead(*bucket, key)});
    checks.push_back({"delete", bucket->Delete(key)});
  } else {
    checks.push_back({"read", bucket->Find(key).status()});
  }
  checks.push_back({"list uploads", bucket->ListUploads(prefix).status()});
  return checks;
}

std::string DescribeCredentials(const std::string& uri, const BucketOptions& options) {
  if (options.anonymous) return "nobody: the requests are not signed";
  const std::string scheme = UriScheme(uri);
  if (scheme == "s3") return DescribeAwsCredentials();
  if (scheme == "gs" || scheme == "gcs") return "Google's application default credentials";
  return "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or Azure's default credential";
}

}  // namespace pomona::io
