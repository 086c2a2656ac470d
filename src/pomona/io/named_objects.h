// Images in buckets that a manifest names one by one.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "pomona/io/bucket.h"
#include "pomona/io/source.h"

namespace pomona::io {

// Thread-safe.
class NamedObjects {
 public:
  // Relative names start from `folder` of `bucket`; null: they are no objects. `options` are those
  // of further buckets, which URIs name.
  NamedObjects(std::shared_ptr<const Bucket> bucket, std::string folder, BucketOptions options)
      : home_(std::move(bucket)), folder_(std::move(folder)), options_(std::move(options)) {}

  // Whether `name` names an object rather than a local file.
  bool Names(const std::string& name) const { return home_ != nullptr || IsBucketUri(name); }

  // Fills in size, version or kMissing of the entries whose locator names an object: by listing the
  // folder that they have in common, which is a request for 1,000 rather than one each.
  Status Inspect(std::vector<Entry>* entries, std::stop_token stop);

  // Source::Read of such an entry.
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, std::stop_token stop) const;

 private:
  struct Place {
    std::shared_ptr<const Bucket> bucket;
    std::string key;
  };
  Result<Place> Find(const std::string& name) const;

  const std::shared_ptr<const Bucket> home_;
  const std::string folder_;
  const BucketOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const Bucket>> others_;  // by BucketUri::Root
};

}  // namespace pomona::io
