#include "pomona/io/bucket_source.h"

#include <algorithm>
#include <set>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/listing.h"
#include "pomona/io/store.h"

namespace pomona::io {
namespace {

// Whether `path` lies in one of `folders`, each with a slash at the end; "" is all.
bool LiesIn(const std::set<std::string>& folders, const std::string& path) {
  if (folders.contains("")) return true;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (folders.contains(path.substr(0, slash + 1))) return true;
  }
  return false;
}

}  // namespace

BucketSource::BucketSource(std::shared_ptr<const Bucket> bucket, const std::string& folder,
                           bool labels)
    : bucket_(std::move(bucket)),
      prefix_(folder.empty() ? "" : folder + "/"),
      uri_(bucket_->uri() + (folder.empty() ? "" : "/" + ToUtf8(folder))),
      labels_(labels) {}

Result<std::unique_ptr<Source>> BucketSource::Open(std::shared_ptr<const Bucket> bucket,
                                                   const std::string& folder,
                                                   const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const bool labels, LabelsAreFolders(options, bucket->uri() + "/" + folder));
  return std::unique_ptr<Source>(new BucketSource(std::move(bucket), folder, labels));
}

Result<Listing> BucketSource::List(const Observer& observer, std::stop_token stop) const {
  ListingBuilder builder(observer, stop);
  std::set<std::string> results;  // folders, relative, that hold results
  const auto take = [&](std::vector<Object> objects) -> Status {
    for (Object& object : objects) {
      const std::string path = object.key.substr(prefix_.size());
      if (path.empty() || path.ends_with('/')) continue;  // what consoles make for a folder
      const std::string name(BaseName(path));
      if (path == kResultsMarker || path.ends_with(std::string("/") + kResultsMarker)) {
        results.insert(path.substr(0, path.size() - sizeof(kResultsMarker) + 1));
      }
      if (AnyHidden(path) || !HasImageName(name)) {
        ARROW_RETURN_NOT_OK(builder.Ignore(name));
        continue;
      }
      Entry entry;
      entry.path = ToUtf8(path);
      if (labels_) entry.label = ParentName(path, SourceName());
      entry.locator = std::move(object.key);
      entry.size = object.size;
      entry.version = std::move(object.version);
      ARROW_RETURN_NOT_OK(builder.Add(std::move(entry)));
    }
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(bucket_->List(prefix_, take, stop));
  if (!results.empty()) {
    std::erase_if(builder.entries(), [&](const Entry& entry) {
      return LiesIn(results, entry.locator.substr(prefix_.size()));
    });
  }
  return builder.Finish(uri_, Duplicates::kFirstWins);
}

Result<Outcome<std::vector<uint8_t>>> BucketSource::Read(const Entry& entry, int64_t max_bytes,
                                                         std::stop_token stop) const {
  using Bytes = Outcome<std::vector<uint8_t>>;
  if (entry.rejected) return Bytes(*entry.rejected);
  if (entry.size > max_bytes) return Bytes(TooLarge(entry.size, max_bytes));
  return bucket_->Read({entry.locator, entry.size, entry.version}, 0, entry.size, std::move(stop));
}

// What an image at the top is labelled with: the folder's name, or the bucket's.
std::string BucketSource::SourceName() const { return ToUtf8(BaseName(uri_)); }

}  // namespace pomona::io
