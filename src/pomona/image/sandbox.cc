#include "pomona/image/sandbox.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>
#include <variant>

#include "pomona/base/text.h"
#include "pomona/image/codecs.h"
#include "pomona/image/sandbox_serve.h"
#include "pomona/image/sandbox_worker.h"
#include "pomona/image/sandbox_zygote.h"

namespace pomona::image {
namespace {

// proc(5), statm: the first number is the size of the address space in pages.
Result<int64_t> MappedBytes() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  if (!(in >> pages)) return Status::IOError("cannot read /proc/self/statm, which --sandbox needs");
  return pages * sysconf(_SC_PAGESIZE);
}

Status Explain(const Ready& ready) {
  const std::string why = std::strerror(ready.error);
  if (ready.failed == Step::kSeccomp) {
    return Status::NotImplemented(
        "--sandbox needs seccomp filters (Linux 4.14 or later), which "
        "this system does not give (" +
        why + "): leave --sandbox out only if the images can be trusted");
  }
  return Status::NotImplemented(
      "--sandbox: this system does not let a process give up its rights: " + why);
}

std::string ExplainDeath(int state) {
  if (!WIFSIGNALED(state)) {
    return "the decoder ended with exit code " + std::to_string(WEXITSTATUS(state));
  }
  const int signal = WTERMSIG(state);
  if (signal == SIGSYS) return "the decoder asked the system for what it may not do (SIGSYS)";
  const char* name = sigabbrev_np(signal);
  return "the decoder crashed (" +
         (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal)) + ")";
}

}  // namespace

Sandbox::Sandbox(const SandboxOptions& options) : options_(options) {}

Sandbox::~Sandbox() = default;

Result<std::unique_ptr<Sandbox>> Sandbox::Start(const SandboxOptions& options) {
  std::unique_ptr<Sandbox> self(new Sandbox(options));
  ARROW_ASSIGN_OR_RAISE(const int64_t mapped, MappedBytes());
  self->worker_memory_ = WorkerMemory(options.limits);
  ARROW_ASSIGN_OR_RAISE(self->zygote_, Zygote::Start(options, mapped + self->worker_memory_));
  ARROW_ASSIGN_OR_RAISE(SandboxWorker worker, self->StartWorker());
  self->idle_.push_back(std::move(worker));
  return self;
}

// The system may kill a worker before it is ready, as it may one that is in work.
Result<SandboxWorker> Sandbox::StartWorker() {
  Result<SandboxWorker> worker = TryToStartWorker();
  for (int more = 2; more > 0 && worker.status().IsIOError(); --more) worker = TryToStartWorker();
  return worker;
}

Result<SandboxWorker> Sandbox::TryToStartWorker() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Status::IOError("sandbox: cannot make a socket: ", std::strerror(errno));
  }
  Socket here(ends[0]);
  Socket there(ends[1]);
  ARROW_ASSIGN_OR_RAISE(const pid_t pid, zygote_->Fork(there));
  there = Socket();  // or its death would not be seen
  SandboxWorker worker(pid, std::move(here));
  const auto greeting = worker.Greet(options_.cpu_limit);
  const Ready* ready = std::get_if<Ready>(&greeting);
  if (ready != nullptr && ready->failed == Step::kNone) return worker;
  ARROW_ASSIGN_OR_RAISE(const int state, zygote_->End(pid));
  if (ready != nullptr) return Explain(*ready);
  return Status::IOError("--sandbox: a worker cannot start: ", ExplainDeath(state));
}

std::optional<SandboxWorker> Sandbox::TakeIdle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::nullopt;
  SandboxWorker worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void Sandbox::Keep(SandboxWorker worker) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

// proc(5), statm: the size, what of it is in memory, and what of that are files, in pages.
Result<int64_t> Sandbox::IdleBytes() {
  std::optional<SandboxWorker> worker = TakeIdle();
  if (!worker) {
    ARROW_ASSIGN_OR_RAISE(worker, StartWorker());
  }
  std::ifstream in("/proc/" + std::to_string(worker->pid()) + "/statm");
  Keep(std::move(*worker));
  int64_t size = 0, resident = 0, files = 0;
  if (in >> size >> resident >> files) return (resident - files) * sysconf(_SC_PAGESIZE);
  return Status::IOError("cannot read how much memory a decoder takes, which --memory needs");
}

Result<Rejection> Sandbox::Bury(const SandboxWorker& worker, Failure failure) {
  ARROW_ASSIGN_OR_RAISE(const int state, zygote_->End(worker.pid()));
  const auto crashed = [](std::string detail) {
    return Rejection{Reason::kDecoderCrashed, std::move(detail), std::nullopt};
  };
  switch (failure) {
    case Failure::kTime:
      return crashed("the decoder took more than " +
                     HumanDuration(std::chrono::duration<double>(options_.cpu_limit).count()));
    case Failure::kMemory:
      return crashed("the decoder took more than " + HumanBytes(worker_memory_) + " of memory");
    case Failure::kNonsense:
      return crashed("the decoder gave an answer that cannot be one");
    case Failure::kDied:
      break;
  }
  if (WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL) {
    return Rejection{Reason::kNoMemory,
                     "the system killed the decoder (SIGKILL), as it does when memory runs out",
                     std::nullopt};
  }
  return crashed(ExplainDeath(state));
}

Result<Outcome<Image>> Sandbox::Decode(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                                       JpegPolicy policy) {
  if (auto rejection = CheckBytes(std::ssize(bytes), limits)) return Outcome<Image>(*rejection);
  std::optional<SandboxWorker> worker = TakeIdle();
  // Twice, because the first worker may have been damaged by an image before this one.
  for (bool again = false;; again = true) {
    if (!worker) {
      ARROW_ASSIGN_OR_RAISE(worker, StartWorker());
    }
    auto answer = worker->Ask(bytes, limits, policy, options_.cpu_limit);
    if (auto* outcome = std::get_if<Outcome<Image>>(&answer)) {
      Keep(std::move(*worker));
      return std::move(*outcome);
    }
    ARROW_ASSIGN_OR_RAISE(Rejection rejection, Bury(*worker, std::get<Failure>(answer)));
    if (again) return Outcome<Image>(std::move(rejection));
    worker.reset();
  }
}

Result<Outcome<Image>> DecodeIn(Sandbox* sandbox, std::span<const uint8_t> bytes,
                                const DecodeLimits& limits, JpegPolicy policy) {
  if (sandbox != nullptr) return sandbox->Decode(bytes, limits, policy);
  return image::Decode(bytes, limits, policy);
}

}  // namespace pomona::image
