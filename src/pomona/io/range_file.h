// A file with many images in it, on the disk or in a bucket, that is read by position.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <arrow/io/interfaces.h>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/io/bucket.h"

namespace pomona::io {

// What a file is at one moment.
struct FileId {
  int64_t size = 0;
  std::string version;  // as Entry::version

  bool operator==(const FileId&) const = default;
};

// Thread-safe: it has no position.
class RangeFile {
 public:
  // The existing file at the absolute `path`, raw bytes.
  static Result<std::shared_ptr<const RangeFile>> Open(const std::string& path);
  // The object `key`, which is not asked for yet.
  static std::shared_ptr<const RangeFile> Of(std::shared_ptr<const Bucket> bucket,
                                             const std::string& key);
  virtual ~RangeFile() = default;

  // Path or URI, as UTF-8.
  const std::string& uri() const { return uri_; }
  virtual bool remote() const = 0;
  // How much is best read at a time where a file is read from one end to the other.
  int64_t block_bytes() const { return remote() ? int64_t{8} << 20 : int64_t{32} << 10; }

  // NothingToRead if there is no such object.
  virtual Result<FileId> Identify() const = 0;
  // `length` bytes from `offset` of the file that was `id`; kChanged if it is another now.
  virtual Result<Outcome<std::vector<uint8_t>>> Read(const FileId& id, int64_t offset,
                                                     int64_t length,
                                                     std::stop_token stop) const = 0;

 protected:
  explicit RangeFile(std::string uri) : uri_(std::move(uri)) {}

 private:
  const std::string uri_;
};

// `file` for Arrow's readers; fails once it is no longer `id`.
std::shared_ptr<arrow::io::RandomAccessFile> ArrowFile(std::shared_ptr<const RangeFile> file,
                                                       FileId id);

}  // namespace pomona::io
