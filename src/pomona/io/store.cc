#include "pomona/io/store.h"

#include <sys/stat.h>

#include "pomona/base/text.h"
#include "pomona/io/bucket_store.h"
#include "pomona/io/file.h"
#include "pomona/io/local_store.h"

namespace pomona::io {

Result<std::shared_ptr<arrow::Buffer>> Store::Read(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const auto file, Open(name));
  const auto read = [&]() -> Result<std::shared_ptr<arrow::Buffer>> {
    ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
    ARROW_ASSIGN_OR_RAISE(auto buffer, file->ReadAt(0, size));
    if (buffer->size() != size) return Status::IOError("it became shorter while it was read");
    return buffer;
  };
  auto buffer = read();
  if (!buffer.ok()) return WithContext(buffer.status(), "cannot read " + Quoted(Describe(name)));
  return buffer;
}

Status Store::Put(const std::string& name, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto file, Create(name));
  ARROW_RETURN_NOT_OK(file->stream()->Write(bytes));
  return file->Commit();
}

Result<std::unique_ptr<Store>> OpenStore(const std::string& uri, const BucketOptions& options) {
  if (IsBucketUri(uri)) return BucketStore::Open(uri, options);
  const std::string scheme = UriScheme(uri);
  if (!scheme.empty() && scheme != "file") {
    return UsageError("cannot write to " + Quoted(uri) + ": " + scheme +
                      ":// stores are not known; give a folder, s3://, gs:// or az://");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string path, LocalPath(uri));
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
    return UsageError(Quoted(path) + " is a file: results need a folder");
  }
  return std::make_unique<LocalStore>(path);
}

}  // namespace pomona::io
