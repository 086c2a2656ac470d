// Results in a folder of the local disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pomona/io/store.h"

namespace pomona::io {

// An unfinished write is `.<name>.<pid>-<random>.tmp` beside the name it will get; it is renamed
// after its bytes are on the disk, and the folder is then synchronised too. Names must be relative,
// without "." or ".." (Invalid). Full disks, quotas and file size limits give an error that says
// how much was written and what to do; a process that has a size limit must ignore SIGXFSZ.
class LocalStore : public Store {
 public:
  // `path` is absolute; need not exist.
  explicit LocalStore(const std::string& path);

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

 private:
  std::string path_;  // raw bytes
  std::string uri_;   // the same as UTF-8
};

}  // namespace pomona::io
