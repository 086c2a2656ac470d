// Arrow's output stream over a file descriptor, with errors that name the file, the reason and what
// was written so far.
#pragma once

#include <cstdint>
#include <string>

#include <arrow/io/interfaces.h>

#include "pomona/base/status.h"
#include "pomona/io/file.h"

namespace pomona::io {

// Unbuffered. After an error every call gives that error again.
class FileOutput : public arrow::io::OutputStream {
 public:
  // `shown` is the file's name for messages.
  FileOutput(Fd fd, std::string shown) : fd_(std::move(fd)), shown_(std::move(shown)) {}

  using arrow::io::OutputStream::Write;
  Status Write(const void* data, int64_t nbytes) override;
  // Ends writing; the bytes are on the disk only after Sync.
  Status Close() override;
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return written_; }

  // Closes, and waits until the bytes are on stable storage.
  Status Sync();

 private:
  Status Fail(int error);

  Fd fd_;
  std::string shown_;
  int64_t written_ = 0;
  bool closed_ = false;
  Status status_;
};

// The IOError of a write to `shown` that failed with `error`, an errno.
Status WriteError(int error, const std::string& shown, int64_t written);

}  // namespace pomona::io
