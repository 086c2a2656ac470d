// Images that are objects of a bucket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pomona/io/bucket.h"
#include "pomona/io/source.h"

namespace pomona::io {

// The objects below a "folder", which is a prefix that ends with a slash. As in a FolderSource,
// names that start with a dot are ignored, folders as a whole, and so are results folders
// (kResultsMarker). Entry::version is the object's (its ETag), and every image is one request.
class BucketSource : public Source {
 public:
  // The folder `folder` ("" for all) of `bucket`.
  static Result<std::unique_ptr<Source>> Open(std::shared_ptr<const Bucket> bucket,
                                              const std::string& folder,
                                              const SourceOptions& options);

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override { return labels_ ? "folder" : "none"; }
  // NothingToRead if nothing lies below the folder.
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;
  bool remote() const override { return true; }

 private:
  BucketSource(std::shared_ptr<const Bucket> bucket, const std::string& folder, bool labels);
  std::string SourceName() const;

  const std::shared_ptr<const Bucket> bucket_;
  const std::string prefix_;  // "" or with a slash at the end
  const std::string uri_;
  const bool labels_;
};

}  // namespace pomona::io
