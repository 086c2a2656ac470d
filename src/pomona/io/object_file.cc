#include "pomona/io/object_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <arrow/buffer.h>

#include "pomona/base/text.h"

namespace pomona::io {
namespace {

class ObjectFile : public arrow::io::RandomAccessFile {
 public:
  ObjectFile(std::shared_ptr<const Bucket> bucket, Object object)
      : bucket_(std::move(bucket)), object_(std::move(object)) {}

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
  Result<int64_t> GetSize() override { return object_.size; }

  Result<int64_t> ReadAt(int64_t position, int64_t n, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, ReadRange(position, n));
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    return static_cast<int64_t>(bytes.size());
  }
  Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t n) override {
    ARROW_ASSIGN_OR_RAISE(auto bytes, ReadRange(position, n));
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
  Result<std::vector<uint8_t>> ReadRange(int64_t position, int64_t n) const {
    if (position < 0 || n < 0) return Status::Invalid("a range that is none");
    const int64_t length = std::max<int64_t>(0, std::min(n, object_.size - position));
    ARROW_ASSIGN_OR_RAISE(auto bytes, bucket_->Read(object_, position, length, {}));
    if (bytes.ok()) return std::move(bytes).value();
    return Status::IOError(Quoted(bucket_->uri() + "/" + ToUtf8(object_.key)), ": ",
                           bytes.rejection().detail);
  }

  const std::shared_ptr<const Bucket> bucket_;
  const Object object_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<arrow::io::RandomAccessFile> OpenObject(std::shared_ptr<const Bucket> bucket,
                                                        Object object) {
  return std::make_shared<ObjectFile>(std::move(bucket), std::move(object));
}

}  // namespace pomona::io
