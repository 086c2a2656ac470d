// Decoding in processes of its own, which may do nothing but compute: for images from anywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"

namespace pomona::image {

class SandboxWorker;
class Zygote;
enum class Failure;

struct SandboxOptions {
  DecodeLimits limits = {};  // decides how much memory a worker may take; Decode may ask for less
  std::chrono::milliseconds cpu_limit = std::chrono::minutes(1);  // of one image
  // What workers run.
  Outcome<Image> (*decode)(std::span<const uint8_t>, const DecodeLimits&, JpegPolicy) = &Decode;
};

// Workers are Linux processes with resource limits and a seccomp filter: they can take memory,
// compute, and answer on one socket; they cannot open a file or a connection, start a program or
// see another process. A small process that is forked first, the zygote, forks them when they are
// needed, so that they hold nothing that the program loads later, and no thread of it.
//
// A worker that is broken into can still answer with wrong pixels, for images that come after in
// the same worker too, and read what was in memory when Start was called.
class Sandbox {
 public:
  // Starts the zygote and a first worker. To be called early: before threads are started, secrets
  // read and large files loaded. NotImplemented where the kernel offers no seccomp filters.
  static Result<std::unique_ptr<Sandbox>> Start(const SandboxOptions& options);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // As image::Decode, in as many workers as there are callers at a time. A worker that dies, takes
  // more CPU than the limit or answers nonsense is ended, and the image is tried once more in a
  // fresh one; if that ends alike, the image is rejected: kNoMemory if the system killed it, else
  // kDecoderCrashed. An error says that the sandbox as a whole fails. Thread-safe.
  Result<Outcome<Image>> Decode(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                                JpegPolicy policy = JpegPolicy::kStrict);

  int64_t worker_memory() const { return worker_memory_; }  // bytes of address space

  // Bytes of memory that each process of the sandbox takes when it has nothing to do, without what
  // it shares with this one.
  Result<int64_t> IdleBytes();

 private:
  explicit Sandbox(const SandboxOptions& options);
  Result<SandboxWorker> StartWorker();
  Result<SandboxWorker> TryToStartWorker();
  std::optional<SandboxWorker> TakeIdle();
  void Keep(SandboxWorker worker);
  // Ends `worker`; gives what its death means for the image it was asked for.
  Result<Rejection> Bury(const SandboxWorker& worker, Failure failure);

  const SandboxOptions options_;
  int64_t worker_memory_ = 0;
  std::unique_ptr<Zygote> zygote_;
  std::mutex mutex_;
  std::vector<SandboxWorker> idle_;
};

// Decodes in `sandbox` or, if it is null, in this process.
Result<Outcome<Image>> DecodeIn(Sandbox* sandbox, std::span<const uint8_t> bytes,
                                const DecodeLimits& limits, JpegPolicy policy);

}  // namespace pomona::image
