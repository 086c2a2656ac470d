#include "pomona/io/range_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <arrow/buffer.h>

#include "pomona/base/text.h"
#include "pomona/io/file.h"

namespace pomona::io {
namespace {

using Bytes = Outcome<std::vector<uint8_t>>;

class LocalFile : public RangeFile {
 public:
  LocalFile(const std::string& path, Fd fd) : RangeFile(ToUtf8(path)), fd_(std::move(fd)) {}

  bool remote() const override { return false; }
  Result<FileId> Identify() const override {
    struct stat info;
    if (fstat(fd_.get(), &info) == 0) return FileId{info.st_size, VersionOf(info)};
    return Status::IOError("cannot read ", Quoted(uri()), ": ", ErrnoText(errno));
  }
  Result<Bytes> Read(const FileId& id, int64_t offset, int64_t length,
                     std::stop_token) const override {
    const auto changed = [&]() -> Result<bool> {
      ARROW_ASSIGN_OR_RAISE(const FileId now, Identify());
      return now != id;
    };
    const Rejection why{Reason::kChanged, "the file it is in changed after it was listed",
                        std::nullopt};
    ARROW_ASSIGN_OR_RAISE(const bool before, changed());
    if (before) return Bytes(why);
    Bytes bytes = ReadRange(fd_.get(), offset, length);
    ARROW_ASSIGN_OR_RAISE(const bool after, changed());
    if (after) return Bytes(why);
    return bytes;
  }

 private:
  const Fd fd_;
};

class ObjectRange : public RangeFile {
 public:
  ObjectRange(std::shared_ptr<const Bucket> bucket, const std::string& key)
      : RangeFile(bucket->uri() + "/" + ToUtf8(key)), bucket_(std::move(bucket)), key_(key) {}

  bool remote() const override { return true; }
  Result<FileId> Identify() const override {
    ARROW_ASSIGN_OR_RAISE(const auto object, bucket_->Find(key_));
    if (object) return FileId{object->size, object->version};
    return NothingToRead("there is no " + Quoted(uri()) + ": check the name");
  }
  Result<Bytes> Read(const FileId& id, int64_t offset, int64_t length,
                     std::stop_token stop) const override {
    return bucket_->Read({key_, id.size, id.version}, offset, length, std::move(stop));
  }

 private:
  const std::shared_ptr<const Bucket> bucket_;
  const std::string key_;
};

class RangeReader : public arrow::io::RandomAccessFile {
 public:
  RangeReader(std::shared_ptr<const RangeFile> file, FileId id)
      : file_(std::move(file)), id_(std::move(id)) {}

  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return position_; }
  Status Seek(int64_t position) override {
    position_ = position;
    return Status::OK();
  }
  Result<int64_t> GetSize() override { return id_.size; }

  Result<int64_t> ReadAt(int64_t position, int64_t n, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, ReadPiece(position, n));
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    return static_cast<int64_t>(bytes.size());
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto bytes, ReadPiece(position, n));
    return arrow::Buffer::FromVector(std::move(bytes));
  }
  Result<int64_t> Read(int64_t n, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position_, n, out));
    position_ += read;
    return read;
  }
  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, n));
    position_ += buffer->size();
    return buffer;
  }

 private:
  Result<std::vector<uint8_t>> ReadPiece(int64_t position, int64_t n) const {
    if (position < 0 || n < 0) return Status::Invalid("a range that is none");
    const int64_t length = std::max<int64_t>(0, std::min(n, id_.size - position));
    ARROW_ASSIGN_OR_RAISE(Bytes bytes, file_->Read(id_, position, length, {}));
    if (bytes.ok()) return std::move(bytes).value();
    return Status::IOError("cannot read ", Quoted(file_->uri()), ": ", bytes.rejection().detail);
  }

  const std::shared_ptr<const RangeFile> file_;
  const FileId id_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace

Result<std::shared_ptr<const RangeFile>> RangeFile::Open(const std::string& path) {
  struct stat info;
  Outcome<Fd> fd = OpenForReading(path, &info);
  if (fd.ok()) return std::make_shared<const LocalFile>(path, std::move(fd).value());
  return Status::IOError("cannot read ", Quoted(path), ": ", fd.rejection().detail);
}

std::shared_ptr<const RangeFile> RangeFile::Of(std::shared_ptr<const Bucket> bucket,
                                               const std::string& key) {
  return std::make_shared<const ObjectRange>(std::move(bucket), key);
}

std::shared_ptr<arrow::io::RandomAccessFile> ArrowFile(std::shared_ptr<const RangeFile> file,
                                                       FileId id) {
  return std::make_shared<RangeReader>(std::move(file), std::move(id));
}

}  // namespace pomona::io
