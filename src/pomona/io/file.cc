#include "pomona/io/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <arrow/util/uri.h>

#include "pomona/base/text.h"

namespace pomona::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSchemeEnd = "://";

// The path of a file:// URI (RFC 8089: the host is empty or localhost; bytes as %HH).
Result<std::string> PathOfFileUri(const std::string& uri) {
  const size_t start = uri.find(kSchemeEnd) + kSchemeEnd.size();
  const size_t slash = uri.find('/', start);
  const std::string host = uri.substr(start, slash - start);
  if (slash == std::string::npos || (!host.empty() && host != "localhost")) {
    return UsageError(Quoted(uri) + " is no file on this machine: write file:///folder/name");
  }
  return arrow::util::UriUnescape(std::string_view(uri).substr(slash));
}

// ".." after a symbolic link leads elsewhere than the text says: only then are links resolved.
fs::path Normalised(const fs::path& absolute, std::error_code* error) {
  const bool climbs = std::find(absolute.begin(), absolute.end(), "..") != absolute.end();
  return climbs ? fs::weakly_canonical(absolute, *error) : absolute.lexically_normal();
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (ok()) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

Fd::~Fd() {
  if (ok()) close(fd_);
}

int Fd::Release() { return std::exchange(fd_, -1); }

Folder OpenFolder(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Folder folder(fd.ok() ? fdopendir(fd.get()) : nullptr);
  if (folder) fd.Release();
  return folder;
}

std::string UriScheme(const std::string& uri) {
  const size_t end = uri.find(kSchemeEnd);
  if (end == std::string::npos) return "";
  std::string scheme = uri.substr(0, end);
  return arrow::util::IsValidUriScheme(scheme) ? scheme : "";
}

Result<std::string> LocalPath(const std::string& uri) {
  std::string path = uri;
  if (UriScheme(uri) == "file") {
    ARROW_ASSIGN_OR_RAISE(path, PathOfFileUri(uri));
  }
  if (path.empty() || path.find('\0') != std::string::npos) {
    return UsageError(Quoted(path) + " is no path: give a folder or a file");
  }
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  fs::path normal = error ? absolute : Normalised(absolute, &error);
  if (error) return Status::IOError("cannot resolve ", Quoted(path), ": ", error.message());
  if (!normal.has_filename()) normal = normal.parent_path();
  return normal.string();
}

std::string ErrnoText(int error) { return std::generic_category().message(error); }

Rejection RejectionFor(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {Reason::kMissing, "there is no such file", std::nullopt};
    case ELOOP:
      return {Reason::kMissing, "a symbolic link that leads back to itself", std::nullopt};
    case ENXIO:
      return {Reason::kNotAFile, "a socket or a device, not a file", std::nullopt};
    default:
      return {Reason::kUnreadable, ErrnoText(error), std::nullopt};
  }
}

std::string VersionOf(const struct stat& info) {
  // The time in a tar's header may be any number of seconds; unsigned, because it wraps around.
  const uint64_t ns = static_cast<uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000 +
                      static_cast<uint64_t>(info.st_mtim.tv_nsec);
  return std::to_string(static_cast<int64_t>(ns));
}

Outcome<Fd> OpenForReading(const std::string& path, struct stat* info) {
  // O_NONBLOCK: a pipe without a writer would otherwise block; no effect on regular files.
  Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.ok() || fstat(fd.get(), info) != 0) return RejectionFor(errno);
  if (!S_ISREG(info->st_mode)) return NotAFile(*info);
  return fd;
}

Outcome<std::vector<uint8_t>> ReadRange(int fd, int64_t offset, int64_t size) {
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done,
                            static_cast<off_t>(offset + static_cast<int64_t>(done)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return RejectionFor(errno);
    if (n == 0) return Rejection{Reason::kChanged, "became shorter while it was read", {}};
    done += static_cast<size_t>(n);
  }
  return bytes;
}

Rejection NotAFile(const struct stat& info) {
  const char* kind = "not a regular file";
  if (S_ISDIR(info.st_mode)) kind = "a folder, not a file";
  if (S_ISFIFO(info.st_mode)) kind = "a named pipe, not a file";
  if (S_ISSOCK(info.st_mode)) kind = "a socket, not a file";
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) kind = "a device, not a file";
  return {Reason::kNotAFile, kind, std::nullopt};
}

Rejection TooLarge(int64_t size, int64_t max_bytes) {
  return {Reason::kTooLarge, HumanBytes(size) + ", over the limit of " + HumanBytes(max_bytes),
          std::nullopt, 0, size};
}

}  // namespace pomona::io
