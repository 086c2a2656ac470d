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
#include "pomona/io/parquet_source.h"
#include "pomona/io/range_file.h"
#include "pomona/io/tar_source.h"

namespace pomona::io {
namespace {

constexpr char kWhatIsRead[] = "give a folder, a .tar file, a .parquet file or a .csv manifest";

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

using Files = std::vector<std::shared_ptr<const RangeFile>>;

// Whether Spark counts a file of this name among a data set's.
bool IsParquetPart(std::string_view name) {
  return EndsWith(std::string(name), ".parquet") && !name.starts_with('_') && !IsHidden(name);
}

// The file at `path`, or if it is a folder the Parquet files directly in it, by name.
Result<Files> ParquetFiles(const std::string& path) {
  std::vector<std::string> paths;
  if (const Folder folder = OpenFolder(path)) {
    while (const dirent* child = readdir(folder.get())) {
      if (IsParquetPart(child->d_name)) paths.push_back(path + "/" + child->d_name);
    }
    std::sort(paths.begin(), paths.end());
  } else {
    paths.push_back(path);
  }
  Files files(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(files[i], RangeFile::Open(paths[i]));
  }
  return files;
}

// The same of a bucket.
Result<Files> ParquetFiles(const std::shared_ptr<Bucket>& bucket, const std::string& key) {
  std::vector<std::string> keys;
  const auto take = [&](const std::vector<Object>& objects) {
    for (const Object& object : objects) {
      const bool direct = object.key.find('/', key.size() + 1) == std::string::npos;
      if (direct && IsParquetPart(BaseName(object.key))) keys.push_back(object.key);
    }
    return Status::OK();
  };
  ARROW_ASSIGN_OR_RAISE(const auto object, bucket->Find(key));
  if (object) {
    keys.push_back(key);
  } else {
    ARROW_RETURN_NOT_OK(bucket->List(key + "/", take, {}));
    std::sort(keys.begin(), keys.end());
  }
  Files files;
  for (const std::string& name : keys) files.push_back(RangeFile::Of(bucket, name));
  return files;
}

Result<std::unique_ptr<Source>> OpenInBucket(const std::string& uri, const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const BucketUri place, ParseBucketUri(uri));
  ARROW_ASSIGN_OR_RAISE(auto bucket, OpenBucket(place, options.bucket));
  // A slash at the end says that it is a folder, whatever its name.
  if (EndsWith(uri, ".tar")) {
    return TarSource::Open(RangeFile::Of(std::move(bucket), place.key), options);
  }
  if (EndsWith(uri, ".csv")) return CsvSource::Open(std::move(bucket), place.key, options);
  if (EndsWith(uri, ".parquet")) {
    ARROW_ASSIGN_OR_RAISE(auto files, ParquetFiles(bucket, place.key));
    if (!files.empty()) return ParquetSource::Open(std::move(files), ToUtf8(uri), options);
  }
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
  if (EndsWith(path, ".parquet")) {
    ARROW_ASSIGN_OR_RAISE(auto files, ParquetFiles(path));
    if (!files.empty()) return ParquetSource::Open(std::move(files), ToUtf8(path), options);
  }
  if (S_ISDIR(info.st_mode)) return FolderSource::Open(path, options);
  if (!S_ISREG(info.st_mode)) return NotASource(path);
  if (EndsWith(path, ".tar")) {
    ARROW_ASSIGN_OR_RAISE(auto file, RangeFile::Open(path));
    return TarSource::Open(std::move(file), options);
  }
  if (EndsWith(path, ".csv")) return CsvSource::Open(path, options);
  return NotASource(path);
}

}  // namespace pomona::io
