#include "pomona/model/part_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pomona::model {
namespace {

namespace fs = std::filesystem;

// Whether `fd` is still what `path` names: another process may have published it before the lock
// was ours.
bool IsStill(const fs::path& path, int fd, struct stat* status) {
  struct stat named = {};
  return fstat(fd, status) == 0 && lstat(path.c_str(), &named) == 0 &&
         named.st_ino == status->st_ino && named.st_dev == status->st_dev;
}

}  // namespace

Result<std::unique_ptr<PartFile>> PartFile::Open(const fs::path& target) {
  const fs::path path = target.string() + ".part";
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  while (true) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return Status::IOError("cannot write ", path.string(), ": ", std::strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      close(fd);
      return Status::IOError(path.string(), " is being downloaded by another process: wait for it");
    }
    struct stat status = {};
    if (IsStill(path, fd, &status)) {
      return std::unique_ptr<PartFile>(new PartFile(target, path, fd, status.st_size));
    }
    close(fd);
  }
}

PartFile::~PartFile() { close(fd_); }

Status PartFile::Append(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd_, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error("write");
    data += written;
    size -= static_cast<size_t>(written);
    size_ += written;
  }
  return Status::OK();
}

Status PartFile::Truncate() {
  if (ftruncate(fd_, 0) != 0) return Error("empty");
  size_ = 0;
  return Status::OK();
}

Status PartFile::Publish() {
  if (fsync(fd_) != 0) return Error("write");
  if (rename(path_.c_str(), target_.c_str()) != 0) return Error("rename");
  return Status::OK();
}

void PartFile::Remove() { unlink(path_.c_str()); }

Status PartFile::Error(const char* doing) const {
  return Status::IOError("cannot ", doing, " ", path_.string(), ": ", std::strerror(errno));
}

}  // namespace pomona::model
