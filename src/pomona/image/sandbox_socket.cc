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

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

bool SendAll(int fd, const void* data, size_t size, const std::function<bool()>& go_on) {
  const auto* at = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
    if (count == static_cast<ssize_t>(size)) return true;
    if (!MayGoOn(count, go_on)) return false;
    if (count < 0) continue;
    at += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool ReceiveAll(int fd, void* data, size_t size, const std::function<bool()>& go_on) {
  auto* at = static_cast<uint8_t*>(data);
  while (size > 0) {
    const ssize_t count = recv(fd, at, size, MSG_WAITALL);
    if (count == static_cast<ssize_t>(size)) return true;
    if (!MayGoOn(count, go_on)) return false;
    if (count < 0) continue;
    at += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

}  // namespace pomona::image
