#include "pomona/io/source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "pomona/base/text.h"
#include "pomona/io/bucket_source.h"
#include "pomona/io/csv_source.h"
#include "pomona/io/file.h"
#include "pomona/io/folder_source.h"
#include "pomona/io/listing.h"
#include "pomona/io/tar_source.h"

namespace pomona::io {
namespace {

constexpr char kWhatIsRead[] = "give a folder, a .tar file or a .csv manifest";

bool EndsWith(const std::string& path, std::string_view suffix) {
  if (path.size() < suffix.size()) return false;
  return std::equal(suffix.rbegin(), suffix.rend(), path.rbegin(), [](char want, char is) {
    return want == std::tolower(static_cast<unsigned char>(is));
  });
}

bool IsCompressedTarName(const std::string& path) {
  for (const char* suffix :
       {".tgz", ".tbz", ".tbz2", ".txz", ".tlz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz",
        ".tar.lzma", ".tar.zst", ".tar.lz4", ".tar.z"}) {
    if (EndsWith(path, suffix)) return true;
  }
  return false;
}

Status Unreadable(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return NothingToRead("there is no " + Quoted(path) + ": check the path");
  }
  return Status::IOError("cannot read ", Quoted(path), ": ", ErrnoText(error));
}

Status NotASource(const std::string& path) {
  if (IsCompressedTarName(path)) {
    return UsageError(Quoted(path) +
                      " is a compressed tar: unpack it, or recompress it as a plain .tar (images "
                      "hardly shrink)");
  }
  if (HasImageName(std::string(BaseName(path)))) {
    return UsageError(Quoted(path) + " is a single image: give the folder it lies in");
  }
  return UsageError(Quoted(path) + " is no source of images: " + kWhatIsRead);
}

Result<std::unique_ptr<Source>> OpenInBucket(const std::string& uri, const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const BucketUri place, ParseBucketUri(uri));
  ARROW_ASSIGN_OR_RAISE(auto bucket, OpenBucket(place, options.bucket));
  return BucketSource::Open(std::move(bucket), place.key, options);
}

}  // namespace

Outcome<std::vector<uint8_t>> Source::Read(const Entry& entry, int64_t max_bytes) const {
  auto outcome = Read(entry, max_bytes, std::stop_token());
  if (outcome.ok()) return *std::move(outcome);
  return Rejection{Reason::kUnreadable, outcome.status().message(), std::nullopt};
}

Result<std::unique_ptr<Source>> OpenSource(const std::string& uri, const SourceOptions& options) {
  if (IsBucketUri(uri)) return OpenInBucket(uri, options);
  const std::string scheme = UriScheme(uri);
  if (!scheme.empty() && scheme != "file") {
    return UsageError("cannot read " + Quoted(uri) + ": " + scheme + ":// sources are not known; " +
                      kWhatIsRead + ", also in s3://, gs:// or az://");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string path, LocalPath(uri));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return Unreadable(path, errno);
  if (S_ISDIR(info.st_mode)) return FolderSource::Open(path, options);
  if (!S_ISREG(info.st_mode)) return NotASource(path);
  if (EndsWith(path, ".tar")) return TarSource::Open(path, options);
  if (EndsWith(path, ".csv")) return CsvSource::Open(path, options);
  return NotASource(path);
}

}  // namespace pomona::io
