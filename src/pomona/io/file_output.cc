#include "pomona/io/file_output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "pomona/base/text.h"

namespace pomona::io {

Status WriteError(int error, const std::string& shown, int64_t written) {
  const std::string where =
      " while writing " + Quoted(shown) + " (" + HumanBytes(written) + " written)";
  const std::string again = " and run the same command again; what is finished is kept";
  switch (error) {
    case ENOSPC:
      return Status::IOError("no space left", where, ": free some", again);
    case EDQUOT:
      return Status::IOError("disk quota exceeded", where, ": free some", again);
    case EFBIG:
      return Status::IOError("file size limit reached", where, ": raise it (ulimit -f)", again);
    default:
      return Status::IOError(ErrnoText(error), where);
  }
}

Status FileOutput::Write(const void* data, int64_t nbytes) {
  ARROW_RETURN_NOT_OK(status_);
  if (closed_) return Status::Invalid("write to ", Quoted(shown_), " after it was closed");
  const char* next = static_cast<const char*>(data);
  while (nbytes > 0) {
    const ssize_t n = write(fd_.get(), next, static_cast<size_t>(nbytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fail(errno);
    next += n;
    nbytes -= n;
    written_ += n;
  }
  return Status::OK();
}

Status FileOutput::Close() {
  closed_ = true;
  return status_;
}

Status FileOutput::Sync() {
  ARROW_RETURN_NOT_OK(Close());
  if (fd_.ok() && fsync(fd_.get()) != 0) return Fail(errno);
  // Network file systems may report a failed write only here.
  if (fd_.ok() && close(fd_.Release()) != 0 && errno != EINTR) return Fail(errno);
  return Status::OK();
}

Status FileOutput::Fail(int error) {
  status_ = WriteError(error, shown_, written_);
  return status_;
}

}  // namespace pomona::io
