#include "pomona/io/local_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <regex>
#include <utility>

#include <arrow/io/file.h>
#include <arrow/memory_pool.h>

#include "pomona/base/hash.h"
#include "pomona/base/random.h"
#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/file_output.h"
#include "pomona/io/listing.h"

namespace pomona::io {
namespace {

Status CheckName(const std::string& name) {
  const std::string framed = "/" + name + "/";
  for (const char* part : {"//", "/./", "/../"}) {
    if (framed.find(part) != std::string::npos) {
      return Status::Invalid(Quoted(name), " is no name of a file in a store");
    }
  }
  return Status::OK();
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string TemporaryPath(const std::string& path) {
  return FolderOf(path) + "/." + std::string(BaseName(path)) + "." + std::to_string(getpid()) +
         "-" + RandomHex(16) + ".tmp";
}

bool IsTemporaryName(const std::string& name) {
  static const std::regex pattern(R"(\..+\.[0-9]+-[0-9a-f]{16}\.tmp)");
  return name.ends_with(".tmp") && std::regex_match(name, pattern);
}

// Makes a new or renamed name in `folder` survive a crash. File systems without such a thing say
// EINVAL.
Status SyncFolder(const std::string& folder) {
  const Fd fd(open(folder.empty() ? "/" : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.ok() && (fsync(fd.get()) == 0 || errno == EINVAL)) return Status::OK();
  return WriteError(errno, folder, 0);
}

Status MakeFolders(const std::string& folder) {
  if (folder.empty() || mkdir(folder.c_str(), 0777) == 0) {
    return folder.empty() ? Status::OK() : SyncFolder(FolderOf(folder));
  }
  if (errno == ENOENT) {
    ARROW_RETURN_NOT_OK(MakeFolders(FolderOf(folder)));
    return MakeFolders(folder);
  }
  const int error = errno;
  struct stat info;
  if (stat(folder.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return Status::OK();
    return Status::IOError("cannot make the folder ", Quoted(folder), ": a file has its name");
  }
  if (error == ENOSPC || error == EDQUOT) return WriteError(error, folder, 0);
  return Status::IOError("cannot make the folder ", Quoted(folder), ": ", ErrnoText(error));
}

// Keeps other writers of `folder` waiting until it is closed, when the process dies, too. A file
// system without locks gives none.
Fd LockFolder(const std::string& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (fd.ok() && flock(fd.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  return fd;
}

class LocalPendingFile : public PendingFile {
 public:
  LocalPendingFile(Fd fd, std::string temporary, std::string path)
      : temporary_(std::move(temporary)), path_(std::move(path)), output_(std::move(fd), path_) {}
  ~LocalPendingFile() override {
    if (!committed_) unlink(temporary_.c_str());
  }

  arrow::io::OutputStream* stream() override { return &output_; }

  Status Commit() override {
    if (committed_) return Status::Invalid(Quoted(path_), " is committed already");
    ARROW_RETURN_NOT_OK(output_.Sync());
    if (rename(temporary_.c_str(), path_.c_str()) != 0) {
      return Status::IOError("cannot put ", Quoted(path_), " under its name: ", ErrnoText(errno));
    }
    committed_ = true;
    return SyncFolder(FolderOf(path_));
  }

 private:
  const std::string temporary_;
  const std::string path_;
  FileOutput output_;
  bool committed_ = false;
};

// Adds the files below `folder` to `files`, named `prefix` + their name in it. What vanishes
// meanwhile, as unfinished writes of other processes do, is passed over.
Status ListFolder(const std::string& folder, const std::string& prefix,
                  std::vector<FileInfo>* files) {
  const Folder open = OpenFolder(folder);
  const auto fail = [&] {
    return errno == ENOENT
               ? Status::OK()
               : Status::IOError("cannot list the folder ", Quoted(folder), ": ", ErrnoText(errno));
  };
  if (!open) return fail();
  for (;;) {
    errno = 0;
    const dirent* child = readdir(open.get());
    if (child == nullptr) return errno == 0 ? Status::OK() : fail();
    const std::string name = child->d_name;
    struct stat info;
    if (name == "." || name == ".." ||
        fstatat(dirfd(open.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    if (S_ISDIR(info.st_mode)) {
      ARROW_RETURN_NOT_OK(
          ListFolder(folder + "/" + name, std::string(prefix).append(name).append("/"), files));
    } else if (S_ISREG(info.st_mode)) {
      files->push_back({prefix + name, info.st_size});
    }
  }
}

}  // namespace

LocalStore::LocalStore(const std::string& path) : path_(path), uri_(ToUtf8(path)) {}

Result<bool> LocalStore::Exists(const std::string& name) const {
  ARROW_RETURN_NOT_OK(CheckName(name));
  struct stat info;
  if (stat((path_ + "/" + name).c_str(), &info) == 0) return S_ISREG(info.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return Status::IOError("cannot look for ", Quoted(Describe(name)), ": ", ErrnoText(errno));
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> LocalStore::Open(
    const std::string& name) const {
  ARROW_RETURN_NOT_OK(CheckName(name));
  struct stat info;
  Outcome<Fd> fd = OpenForReading(path_ + "/" + name, &info);
  if (!fd.ok()) {
    return Status::IOError("cannot open ", Quoted(Describe(name)), ": ", fd.rejection().detail);
  }
  return arrow::io::ReadableFile::Open(std::move(fd).value().Release(),
                                       arrow::system_memory_pool());
}

Result<std::unique_ptr<PendingFile>> LocalStore::Create(const std::string& name) {
  ARROW_RETURN_NOT_OK(CheckName(name));
  const std::string path = path_ + "/" + name;
  ARROW_RETURN_NOT_OK(MakeFolders(FolderOf(path)));
  const std::string temporary = TemporaryPath(path);
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd.ok()) return WriteError(errno, path, 0);
  return std::make_unique<LocalPendingFile>(std::move(fd), temporary, path);
}

Result<std::vector<FileInfo>> LocalStore::List(const std::string& prefix) const {
  if (!prefix.empty()) ARROW_RETURN_NOT_OK(CheckName(prefix));
  std::vector<FileInfo> files;
  const std::string folder = prefix.empty() ? path_ : path_ + "/" + prefix;
  ARROW_RETURN_NOT_OK(ListFolder(folder, prefix.empty() ? "" : prefix + "/", &files));
  std::sort(files.begin(), files.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return files;
}

Status LocalStore::Delete(const std::string& name) {
  ARROW_RETURN_NOT_OK(CheckName(name));
  const std::string path = path_ + "/" + name;
  if (unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return Status::OK();
  return Status::IOError("cannot delete ", Quoted(Describe(name)), ": ", ErrnoText(errno));
}

Result<std::vector<std::string>> LocalStore::ListUnfinished() const {
  ARROW_ASSIGN_OR_RAISE(const auto files, List(""));
  std::vector<std::string> names;
  for (const FileInfo& file : files) {
    if (IsTemporaryName(std::string(BaseName(file.name)))) names.push_back(file.name);
  }
  return names;
}

// The version is the hash of the bytes: times of change are too coarse to tell two writes apart.
Result<std::optional<FileState>> LocalStore::ReadState(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const bool exists, Exists(name));
  if (!exists) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto bytes, Read(name));
  std::string version = Xxh3Hex(std::string_view(*bytes));
  return FileState{std::move(bytes), std::move(version)};
}

Status LocalStore::PutIf(const std::string& name, std::string_view bytes,
                         const std::optional<std::string>& before) {
  ARROW_RETURN_NOT_OK(CheckName(name));
  const std::string folder = FolderOf(path_ + "/" + name);
  ARROW_RETURN_NOT_OK(MakeFolders(folder));
  const Fd lock = LockFolder(folder);
  ARROW_ASSIGN_OR_RAISE(const auto now, ReadState(name));
  if (before != (now ? std::optional(now->version) : std::nullopt)) {
    return Conflict(Quoted(Describe(name)) + " was written by somebody else meanwhile");
  }
  return Put(name, bytes);
}

}  // namespace pomona::io
