// Where results go: a folder of the disk or of a bucket, whose files appear whole or not at all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "pomona/base/status.h"
#include "pomona/io/bucket.h"

namespace pomona::io {

// The file that makes a folder a results folder. A source does not look into such a folder, so that
// results which lie among the images (their plots are images, too) are not taken for images.
inline constexpr char kResultsMarker[] = "features/_pomona/manifest.json";

struct FileInfo {
  std::string name;  // relative to the store, '/' between folders
  int64_t size = 0;
};

// A file as it is at one moment. Of one name, equal versions mean equal bytes.
struct FileState {
  std::shared_ptr<arrow::Buffer> bytes;
  std::string version;
};

// A file being written. It has its name only after Commit; destroying it before removes what was
// written.
class PendingFile {
 public:
  virtual ~PendingFile() = default;
  virtual arrow::io::OutputStream* stream() = 0;
  // Flushes to stable storage and puts the file under its name, replacing what was there.
  virtual Status Commit() = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // Absolute path or URI, for messages.
  virtual const std::string& uri() const = 0;
  // `name` as a person would type it: uri() + "/" + name.
  std::string Describe(const std::string& name) const { return uri() + "/" + name; }

  virtual Result<bool> Exists(const std::string& name) const = 0;
  virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& name) const = 0;
  virtual Result<std::unique_ptr<PendingFile>> Create(const std::string& name) = 0;
  // Files below the folder `prefix` ("" for all), recursive, sorted by name.
  virtual Result<std::vector<FileInfo>> List(const std::string& prefix) const = 0;
  // Removing what is not there is no error.
  virtual Status Delete(const std::string& name) = 0;

  // What writes that were never finished left behind, by names that only Delete understands:
  // temporary files, uploads that were begun. Sorted. Writes under way are among them.
  virtual Result<std::vector<std::string>> ListUnfinished() const = 0;

  // The file and its version; nothing if there is no such file.
  virtual Result<std::optional<FileState>> ReadState(const std::string& name) const = 0;
  // Puts the file if it still has version `before` (nothing: if there is none); Conflict if it has
  // not. Of any number of writers at a time exactly one wins: by a lock on the folder on a disk, by
  // a conditional request in a bucket. What cannot do that (a network file system without locks; a
  // store behind ArrowBucket) compares and then writes: of writers within the same moment the last
  // one wins, and an earlier one may not be told.
  virtual Status PutIf(const std::string& name, std::string_view bytes,
                       const std::optional<std::string>& before) = 0;

  // Whole-file forms of Open and Create.
  virtual Result<std::shared_ptr<arrow::Buffer>> Read(const std::string& name) const;
  Status Put(const std::string& name, std::string_view bytes);
};

// The store at `uri`: a local folder, made (with its parents) by the first write, or a folder of a
// bucket, which must be there.
Result<std::unique_ptr<Store>> OpenStore(const std::string& uri, const BucketOptions& options = {});

}  // namespace pomona::io
