// Results in a folder of a bucket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pomona/io/store.h"

namespace pomona::io {

// There are no folders to make: an object is there, whole, when its writing is finished.
class BucketStore : public Store {
 public:
  static Result<std::unique_ptr<Store>> Open(const std::string& uri, const BucketOptions& options);
  // The folder `folder` ("" for all) of `bucket`.
  BucketStore(std::shared_ptr<Bucket> bucket, const std::string& folder);

  const std::string& uri() const override { return uri_; }
  Result<bool> Exists(const std::string& name) const override;
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(const std::string& name) const override;
  Result<std::unique_ptr<PendingFile>> Create(const std::string& name) override;
  Result<std::vector<FileInfo>> List(const std::string& prefix) const override;
  Status Delete(const std::string& name) override;
  Result<std::vector<std::string>> ListUnfinished() const override;
  Result<std::optional<FileState>> ReadState(const std::string& name) const override;
  Status PutIf(const std::string& name, std::string_view bytes,
               const std::optional<std::string>& before) override;
  Result<std::shared_ptr<arrow::Buffer>> Read(const std::string& name) const override;

 private:
  std::string Key(const std::string& name) const { return prefix_ + name; }

  const std::shared_ptr<Bucket> bucket_;
  const std::string prefix_;  // "" or with a slash at the end
  const std::string uri_;
};

}  // namespace pomona::io
