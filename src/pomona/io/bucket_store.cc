#include "pomona/io/bucket_store.h"

#include <algorithm>
#include <utility>

#include <arrow/io/interfaces.h>

#include "pomona/base/text.h"
#include "pomona/io/range_file.h"

namespace pomona::io {
namespace {

// Between the name of a file and the id of an upload of it that was begun.
constexpr std::string_view kUploadMark = "?uploadId=";

class WriterStream : public arrow::io::OutputStream {
 public:
  explicit WriterStream(std::unique_ptr<ObjectWriter> writer) : writer_(std::move(writer)) {}

  Status Write(const void* data, int64_t n) override {
    position_ += n;
    return writer_->Write({static_cast<const char*>(data), static_cast<size_t>(n)});
  }
  using OutputStream::Write;
  Result<int64_t> Tell() const override { return position_; }
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Status Finish() { return writer_->Finish(); }

 private:
  const std::unique_ptr<ObjectWriter> writer_;
  int64_t position_ = 0;
  bool closed_ = false;
};

class PendingObject : public PendingFile {
 public:
  explicit PendingObject(std::unique_ptr<ObjectWriter> writer) : stream_(std::move(writer)) {}

  arrow::io::OutputStream* stream() override { return &stream_; }
  Status Commit() override {
    if (std::exchange(committed_, true)) return Status::Invalid("the file is committed already");
    return stream_.Finish();
  }

 private:
  WriterStream stream_;
  bool committed_ = false;
};

}  // namespace

BucketStore::BucketStore(std::shared_ptr<Bucket> bucket, const std::string& folder)
    : bucket_(std::move(bucket)),
      prefix_(folder.empty() ? "" : folder + "/"),
      uri_(bucket_->uri() + (folder.empty() ? "" : "/" + ToUtf8(folder))) {}

Result<std::unique_ptr<Store>> BucketStore::Open(const std::string& uri,
                                                 const BucketOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const BucketUri place, ParseBucketUri(uri));
  ARROW_ASSIGN_OR_RAISE(auto bucket, OpenBucket(place, options));
  return std::make_unique<BucketStore>(std::move(bucket), place.key);
}

Result<bool> BucketStore::Exists(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(const auto object, bucket_->Find(Key(name)));
  return object.has_value();
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> BucketStore::Open(
    const std::string& name) const {
  auto file = RangeFile::Of(bucket_, Key(name));
  ARROW_ASSIGN_OR_RAISE(const FileId id, file->Identify());
  return ArrowFile(std::move(file), id);
}

Result<std::unique_ptr<PendingFile>> BucketStore::Create(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(auto writer, bucket_->Create(Key(name)));
  return std::make_unique<PendingObject>(std::move(writer));
}

Result<std::vector<FileInfo>> BucketStore::List(const std::string& prefix) const {
  std::vector<FileInfo> files;
  const auto take = [&](const std::vector<Object>& objects) {
    for (const Object& object : objects) {
      if (!object.key.ends_with('/')) {  // what consoles make for an empty folder
        files.push_back({object.key.substr(prefix_.size()), object.size});
      }
    }
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(bucket_->List(Key(prefix.empty() ? "" : prefix + "/"), take, {}));
  std::sort(files.begin(), files.end(),
            [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
  return files;
}

Status BucketStore::Delete(const std::string& name) {
  const size_t mark = name.rfind(kUploadMark);
  if (mark == std::string::npos) return bucket_->Delete(Key(name));
  return bucket_->Abort({Key(name.substr(0, mark)), name.substr(mark + kUploadMark.size())});
}

Result<std::vector<std::string>> BucketStore::ListUnfinished() const {
  ARROW_ASSIGN_OR_RAISE(const auto uploads, bucket_->ListUploads(prefix_));
  std::vector<std::string> names;
  for (const Upload& upload : uploads) {
    names.push_back(upload.key.substr(prefix_.size()) + std::string(kUploadMark) + upload.id);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<FileState>> BucketStore::ReadState(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(auto content, bucket_->Get(Key(name)));
  if (!content) return std::nullopt;
  return FileState{arrow::Buffer::FromVector(std::move(content->bytes)),
                   std::move(content->object.version)};
}

Status BucketStore::PutIf(const std::string& name, std::string_view bytes,
                          const std::optional<std::string>& before) {
  ARROW_ASSIGN_OR_RAISE(const bool won, bucket_->PutIf(Key(name), bytes, before));
  if (won) return Status::OK();
  return Conflict(Quoted(Describe(name)) + " was written by somebody else meanwhile");
}

Result<std::shared_ptr<arrow::Buffer>> BucketStore::Read(const std::string& name) const {
  ARROW_ASSIGN_OR_RAISE(auto state, ReadState(name));
  if (state) return std::move(state->bytes);
  return Status::IOError("cannot read ", Quoted(Describe(name)), ": it is not there");
}

}  // namespace pomona::io
