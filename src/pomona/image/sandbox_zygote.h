// The process that forks the workers of a sandbox, as the program sees it. Internal to this room.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>

#include "pomona/base/status.h"
#include "pomona/image/sandbox.h"
#include "pomona/image/sandbox_socket.h"

namespace pomona::image {

// Ends, and its workers with it, when this object or the program does. Thread-safe.
class Zygote {
 public:
  static Result<std::unique_ptr<Zygote>> Start(const SandboxOptions& options, int64_t memory);
  ~Zygote();
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  // A new worker that serves the other end of `socket`.
  Result<pid_t> Fork(const Socket& socket);
  // Kills the worker, unless it is dead already; gives what waitpid says of its death. Until then
  // its process id belongs to nobody else.
  Result<int> End(pid_t worker);

 private:
  Zygote(pid_t pid, Socket control) : pid_(pid), control_(std::move(control)) {}
  Result<int> Ask(bool fork, pid_t worker, int socket);

  const pid_t pid_;
  std::mutex mutex_;
  Socket control_;
};

}  // namespace pomona::image
