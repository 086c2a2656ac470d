// A worker of the sandbox, as the program sees it. Internal to this room.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <span>
#include <utility>
#include <variant>

#include "pomona/base/rejection.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"
#include "pomona/image/sandbox_socket.h"

namespace pomona::image {

// Why a worker is of no more use.
enum class Failure {
  kDied,      // the other end is closed
  kTime,      // it took more CPU than it may, or did nothing for ten times as long
  kMemory,    // it took more memory than it may
  kNonsense,  // it gave an answer that cannot be one
};

class SandboxWorker {
 public:
  SandboxWorker(pid_t pid, Socket socket) : pid_(pid), socket_(std::move(socket)) {}

  pid_t pid() const { return pid_; }

  // What it says when it is ready.
  std::variant<Ready, Failure> Greet(std::chrono::milliseconds cpu_limit);
  std::variant<Outcome<Image>, Failure> Ask(std::span<const uint8_t> bytes,
                                            const DecodeLimits& limits, JpegPolicy policy,
                                            std::chrono::milliseconds cpu_limit);

 private:
  class Exchange;

  pid_t pid_;
  Socket socket_;
};

}  // namespace pomona::image
