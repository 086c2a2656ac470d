#include "pomona/io/folder_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/listing.h"
#include "pomona/io/local_image.h"
#include "pomona/io/store.h"

namespace pomona::io {
namespace {

struct Child {
  std::string name;
  unsigned char type;  // dirent's DT_*
};

struct FolderId {
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const FolderId&) const = default;
};

// The children of `folder` by name, and 0 or the errno that ended them too early.
int ReadChildren(DIR* folder, std::vector<Child>* children) {
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") children->push_back({name, entry->d_type});
  }
  const int error = errno;
  std::sort(children->begin(), children->end(),
            [](const Child& a, const Child& b) { return a.name < b.name; });
  return error;
}

// Whether `child` is a folder, seen through links. One system call at most, none for most files.
bool IsFolder(int folder_fd, const Child& child) {
  if (child.type == DT_DIR) return true;
  if (child.type != DT_LNK && child.type != DT_UNKNOWN) return false;
  struct stat info;
  return fstatat(folder_fd, child.name.c_str(), &info, 0) == 0 && S_ISDIR(info.st_mode);
}

bool IsResults(int folder_fd) { return faccessat(folder_fd, kResultsMarker, F_OK, 0) == 0; }

std::string Join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// One walk down a tree. Only one folder is open at a time, however deep the tree.
class Walk {
 public:
  Walk(const std::string& root, bool labels, const Observer& observer, ListingBuilder* out)
      : root_(root), labels_(labels), observer_(observer), out_(out) {}

  // Lists the folder `relative` ("" for the root) and everything below it.
  Status Visit(const std::string& relative) {
    std::vector<std::string> folders;
    FolderId id;
    ARROW_ASSIGN_OR_RAISE(const bool entered, ListOne(relative, &folders, &id));
    if (!entered) return Status::OK();
    above_.push_back(id);
    for (const std::string& name : folders) {
      ARROW_RETURN_NOT_OK(Visit(Join(relative, name)));
    }
    above_.pop_back();
    return Status::OK();
  }

 private:
  // Adds the images of one folder and gives the names of the folders in it; false if it cannot be
  // listed or is one of those above.
  Result<bool> ListOne(const std::string& relative, std::vector<std::string>* folders,
                       FolderId* id) {
    const Folder folder = OpenFolder(relative.empty() ? root_ : root_ + "/" + relative);
    struct stat info;
    if (!folder || fstat(dirfd(folder.get()), &info) != 0) {
      ARROW_RETURN_NOT_OK(RejectFolder(relative, errno));
      return false;
    }
    *id = {info.st_dev, info.st_ino};
    if (IsResults(dirfd(folder.get()))) return false;
    if (std::find(above_.begin(), above_.end(), *id) != above_.end()) {
      observer_.Warn("the folder " + Quoted(relative) + " of " + Quoted(root_) +
                     " is a link back to a folder it lies in: not listed again");
      return false;
    }
    std::vector<Child> children;
    const int error = ReadChildren(folder.get(), &children);
    const std::string label = ParentName(relative + "/", SourceName());
    for (const Child& child : children) {
      ARROW_RETURN_NOT_OK(AddChild(dirfd(folder.get()), relative, child, label, folders));
    }
    if (error != 0) ARROW_RETURN_NOT_OK(RejectFolder(relative, error));
    return true;
  }

  Status AddChild(int folder_fd, const std::string& relative, const Child& child,
                  const std::string& label, std::vector<std::string>* folders) {
    if (IsHidden(child.name)) return out_->Ignore(child.name);
    if (IsFolder(folder_fd, child)) {
      folders->push_back(child.name);
      return Status::OK();
    }
    if (!HasImageName(child.name)) return out_->Ignore(child.name);
    Entry entry;
    entry.locator = Join(relative, child.name);
    entry.path = ToUtf8(entry.locator);
    if (labels_) entry.label = label;
    InspectFile(folder_fd, child.name, &entry);
    return out_->Add(std::move(entry));
  }

  // The root must be readable; any other folder becomes a rejected entry.
  Status RejectFolder(const std::string& relative, int error) {
    const std::string why = "cannot be listed (" + ErrnoText(error) + ")";
    if (relative.empty()) {
      const std::string message = "the folder " + Quoted(root_) + " " + why;
      return error == ENOENT ? NothingToRead(message) : Status::IOError(message);
    }
    observer_.Warn("the folder " + Quoted(relative) + " of " + Quoted(root_) + " " + why +
                   ": what it holds is missing from this run");
    Entry entry;
    entry.locator = relative;
    entry.path = ToUtf8(relative);
    if (labels_) entry.label = ToUtf8(BaseName(relative));
    entry.rejected = Rejection{RejectionFor(error).reason, "the folder " + why, std::nullopt};
    return out_->Add(std::move(entry));
  }

  std::string SourceName() const { return ToUtf8(root_ == "/" ? "/" : BaseName(root_)); }

  const std::string& root_;
  const bool labels_;
  const Observer& observer_;
  ListingBuilder* out_;
  std::vector<FolderId> above_;
};

}  // namespace

FolderSource::FolderSource(const std::string& path, bool labels)
    : path_(path), uri_(ToUtf8(path)), labels_(labels) {}

Result<std::unique_ptr<Source>> FolderSource::Open(const std::string& path,
                                                   const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const bool labels, LabelsAreFolders(options, path));
  return std::unique_ptr<Source>(new FolderSource(path, labels));
}

Result<Listing> FolderSource::List(const Observer& observer, std::stop_token stop) const {
  ListingBuilder builder(observer, stop);
  ARROW_RETURN_NOT_OK(Walk(path_, labels_, observer, &builder).Visit(""));
  return builder.Finish(path_, Duplicates::kFirstWins);
}

Result<Outcome<std::vector<uint8_t>>> FolderSource::Read(const Entry& entry, int64_t max_bytes,
                                                         std::stop_token) const {
  return ReadFile(path_ + "/" + entry.locator, entry, max_bytes);
}

}  // namespace pomona::io
