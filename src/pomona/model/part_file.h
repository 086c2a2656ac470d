// The file a download is written to before it gets its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "pomona/base/status.h"

namespace pomona::model {

// TARGET.part, locked against other processes. What an earlier download left is kept.
class PartFile {
 public:
  static Result<std::unique_ptr<PartFile>> Open(const std::filesystem::path& target);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  const std::filesystem::path& path() const { return path_; }
  int64_t size() const { return size_; }

  Status Append(const char* data, size_t size);
  Status Truncate();
  // Makes it TARGET, whole and on disk.
  Status Publish();
  void Remove();

 private:
  PartFile(std::filesystem::path target, std::filesystem::path path, int fd, int64_t size)
      : target_(std::move(target)), path_(std::move(path)), fd_(fd), size_(size) {}
  Status Error(const char* doing) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  int fd_;
  int64_t size_;
};

}  // namespace pomona::model
