// Local files as sources and stores need them: names of either kind, reads that tell a changed or
// vanished file from an unreadable one, and errors as people read them.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"

namespace pomona::io {

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Release();

 private:
  int fd_;
};

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

// Null, with errno set, if `path` is no folder that can be listed.
Folder OpenFolder(const std::string& path);

// "s3" of "s3://bucket/key"; "" of a plain path.
std::string UriScheme(const std::string& uri);

// The absolute path that `uri`, a plain path or a file:// URI, names; need not exist. Raw bytes,
// without a slash at the end.
Result<std::string> LocalPath(const std::string& uri);

// What `error`, an errno, means: "Permission denied".
std::string ErrnoText(int error);

// Why a file cannot be read, from the errno that said so.
Rejection RejectionFor(int error);

// The modification time in nanoseconds: Entry::version of a file.
std::string VersionOf(const struct stat& info);

// Opens the regular file at `path` for reading and fills in `info`. Never blocks, whatever has that
// name: kNotAFile for a pipe, a device, a socket or a folder.
Outcome<Fd> OpenForReading(const std::string& path, struct stat* info);

// `size` bytes from `offset`; kChanged if there are fewer. Thread-safe.
Outcome<std::vector<uint8_t>> ReadRange(int fd, int64_t offset, int64_t size);

// kNotAFile, with what it is instead of a regular file.
Rejection NotAFile(const struct stat& info);

// kTooLarge, with both figures.
Rejection TooLarge(int64_t size, int64_t max_bytes);

}  // namespace pomona::io
