// Where results go: a folder tree of files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "pomona/base/status.h"

namespace pomona::io {

// The file that makes a folder a results folder. A source does not look into such a folder, so that
// results which lie among the images (their plots are images, too) are not taken for images.
inline constexpr char kResultsMarker[] = "features/_pomona/manifest.json";

struct FileInfo {
  std::string name;  // relative to the store, '/' between folders
  int64_t size = 0;
  bool temporary = false;  // what an unfinished write left behind (see Store::Create)
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

  // Whole-file forms of Open and Create.
  Result<std::shared_ptr<arrow::Buffer>> Read(const std::string& name) const;
  Status Put(const std::string& name, std::string_view bytes);
};

// The store at `uri`: a local folder, made (with its parents) by the first write.
Result<std::unique_ptr<Store>> OpenStore(const std::string& uri);

}  // namespace pomona::io
