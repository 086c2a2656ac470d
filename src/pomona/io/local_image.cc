#include "pomona/io/local_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "pomona/io/file.h"

namespace pomona::io {
namespace {

bool IsAsListed(const struct stat& info, const Entry& entry) {
  return info.st_size == entry.size && VersionOf(info) == entry.version;
}

bool IsLink(int folder_fd, const std::string& name) {
  struct stat info;
  return fstatat(folder_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

}  // namespace

void InspectFile(int folder_fd, const std::string& name, Entry* entry) {
  if (name.find('\0') != std::string::npos) {  // would name another file to the system
    entry->rejected = Rejection{Reason::kMissing, "its name holds a zero byte", {}};
    return;
  }
  struct stat info;
  if (fstatat(folder_fd, name.c_str(), &info, 0) != 0) {
    const int error = errno;
    entry->rejected = RejectionFor(error);
    if (error == ENOENT && IsLink(folder_fd, name)) {
      entry->rejected->detail = "a symbolic link to what is not there";
    }
    return;
  }
  entry->version = VersionOf(info);
  if (S_ISREG(info.st_mode)) {
    entry->size = info.st_size;
  } else {
    entry->rejected = NotAFile(info);
  }
}

Outcome<std::vector<uint8_t>> ReadFile(const std::string& path, const Entry& entry,
                                       int64_t max_bytes) {
  if (entry.rejected) return *entry.rejected;
  struct stat info;
  const Outcome<Fd> fd = OpenForReading(path, &info);
  if (!fd.ok()) return fd.rejection();
  if (!IsAsListed(info, entry)) {
    return Rejection{Reason::kChanged, "changed after it was listed", {}};
  }
  if (entry.size > max_bytes) return TooLarge(entry.size, max_bytes);
  Outcome<std::vector<uint8_t>> bytes = ReadRange(fd.value().get(), 0, entry.size);
  if (!bytes.ok()) return bytes;
  if (fstat(fd.value().get(), &info) != 0) return RejectionFor(errno);
  if (!IsAsListed(info, entry)) {
    return Rejection{Reason::kChanged, "changed while it was read", {}};
  }
  return bytes;
}

}  // namespace pomona::io
