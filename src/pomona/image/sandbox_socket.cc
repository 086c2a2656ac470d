#include "pomona/image/sandbox_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace pomona::image {
namespace {

// Whether a transfer of which a call moved `count` bytes goes on.
bool MayGoOn(ssize_t count, const std::function<bool()>& go_on) {
  if (count == 0) return false;
  if (count < 0 && errno != EINTR && errno != EAGAIN) return false;
  return !go_on || go_on();
}

// Moves all of `size` bytes by calls of `move`, send or recv.
template <typename Byte, typename Move>
bool MoveAll(Byte* at, size_t size, const std::function<bool()>& go_on, const Move& move) {
  while (size > 0) {
    const ssize_t count = move(at, size);
    if (count == static_cast<ssize_t>(size)) return true;
    if (!MayGoOn(count, go_on)) return false;
    if (count < 0) continue;
    at += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

bool SendAll(int fd, const void* data, size_t size, const std::function<bool()>& go_on) {
  return MoveAll(static_cast<const uint8_t*>(data), size, go_on,
                 [fd](const uint8_t* at, size_t n) { return send(fd, at, n, MSG_NOSIGNAL); });
}

bool ReceiveAll(int fd, void* data, size_t size, const std::function<bool()>& go_on) {
  return MoveAll(static_cast<uint8_t*>(data), size, go_on,
                 [fd](uint8_t* at, size_t n) { return recv(fd, at, n, MSG_WAITALL); });
}

}  // namespace pomona::image
