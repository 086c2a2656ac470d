// What the processes of a sandbox say to each other. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "pomona/base/rejection.h"
#include "pomona/image/decode.h"

namespace pomona::image {

// A file descriptor that is closed with its owner.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();

  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// To a worker; `size` bytes of the file follow.
struct Request {
  uint64_t size = 0;
  DecodeLimits limits;
  JpegPolicy policy = JpegPolicy::kStrict;
};

// From a worker that is ready, before its first request: where it failed, if it did.
enum class Step : int32_t { kNone, kProcess, kLimits, kSeccomp };
struct Ready {
  Step failed = Step::kNone;
  int32_t error = 0;  // errno
};

// From a worker. `text_size` bytes (damage or detail) follow, then the pixels of an image.
enum class AnswerKind : int32_t { kImage, kRejected, kNoMemory };
struct Answer {
  AnswerKind kind = AnswerKind::kImage;
  int32_t width = 0;
  int32_t height = 0;
  Reason reason = Reason::kCorrupt;
  int64_t byte_offset = -1;  // -1: none
  int64_t pixels = 0;
  int64_t bytes = 0;
  uint64_t text_size = 0;
};

inline constexpr uint64_t kMaxTextBytes = 4096;

// Moves all of `size` bytes, or gives false: the other end is closed, or `go_on`, which is asked
// after every piece and whenever the socket's timeout has passed, said no.
bool SendAll(int fd, const void* data, size_t size, const std::function<bool()>& go_on = {});
bool ReceiveAll(int fd, void* data, size_t size, const std::function<bool()>& go_on = {});

}  // namespace pomona::image
