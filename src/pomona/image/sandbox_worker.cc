#include "pomona/image/sandbox_worker.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <string>

#include "pomona/base/text.h"

namespace pomona::image {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How long a worker may take that uses no CPU: one that is stopped, or whose memory is on disk.
constexpr int kWaits = 10;

milliseconds CpuTime(pid_t pid) {
  clockid_t clock = {};
  timespec time = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return {};
  return milliseconds(int64_t{1000} * time.tv_sec + time.tv_nsec / 1'000'000);
}

// The socket's calls return after so long, for a look at the clocks.
void SetTimeout(int fd, milliseconds timeout) {
  const timeval time = {timeout.count() / 1000, timeout.count() % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

// A worker may be anybody by now.
bool IsPlausible(const Answer& answer, const DecodeLimits& limits) {
  if (answer.text_size > kMaxTextBytes) return false;
  switch (answer.kind) {
    case AnswerKind::kImage:
      return answer.width > 0 && answer.height > 0 &&
             answer.width <= limits.max_pixels / answer.height;
    case AnswerKind::kRejected:
      return ParseReason(ReasonName(answer.reason)).ok() && answer.byte_offset >= -1 &&
             answer.pixels >= 0 && answer.bytes >= 0;
    case AnswerKind::kNoMemory:
      return true;
  }
  return false;
}

}  // namespace

// One request, with a limit on its time.
class SandboxWorker::Exchange {
 public:
  Exchange(const SandboxWorker& worker, milliseconds cpu_limit)
      : worker_(worker), cpu_limit_(cpu_limit), tick_(std::min(milliseconds(1000), cpu_limit / 4)) {
    SetTimeout(worker_.socket_.fd(), tick_);
  }

  bool Send(const void* data, size_t size) {
    return SendAll(worker_.socket_.fd(), data, size, [this] { return IsInTime(); });
  }
  bool Receive(void* data, size_t size) {
    return ReceiveAll(worker_.socket_.fd(), data, size, [this] { return IsInTime(); });
  }
  Failure failure() const { return late_ ? Failure::kTime : Failure::kDied; }

 private:
  bool IsInTime() {
    const Clock::time_point now = Clock::now();
    if (now < next_look_) return true;
    next_look_ = now + tick_;
    late_ = CpuTime(worker_.pid_) - cpu_start_ > cpu_limit_ || now - start_ > kWaits * cpu_limit_;
    return !late_;
  }

  const SandboxWorker& worker_;
  const milliseconds cpu_limit_;
  const milliseconds tick_;
  const Clock::time_point start_ = Clock::now();
  const milliseconds cpu_start_ = CpuTime(worker_.pid_);
  Clock::time_point next_look_ = start_ + tick_;
  bool late_ = false;
};

std::variant<Ready, Failure> SandboxWorker::Greet(milliseconds cpu_limit) {
  Exchange exchange(*this, cpu_limit);
  Ready ready;
  if (!exchange.Receive(&ready, sizeof(ready))) return exchange.failure();
  return ready;
}

std::variant<Outcome<Image>, Failure> SandboxWorker::Ask(std::span<const uint8_t> bytes,
                                                         const DecodeLimits& limits,
                                                         JpegPolicy policy,
                                                         milliseconds cpu_limit) {
  Exchange exchange(*this, cpu_limit);
  const Request request = {bytes.size(), limits, policy};
  Answer answer;
  if (!exchange.Send(&request, sizeof(request)) || !exchange.Send(bytes.data(), bytes.size()) ||
      !exchange.Receive(&answer, sizeof(answer))) {
    return exchange.failure();
  }
  if (!IsPlausible(answer, limits)) return Failure::kNonsense;
  if (answer.kind == AnswerKind::kNoMemory) return Failure::kMemory;
  std::string text(answer.text_size, '\0');
  if (!exchange.Receive(text.data(), text.size())) return exchange.failure();
  text = ToUtf8(text);
  if (answer.kind == AnswerKind::kRejected) {
    const auto offset =
        answer.byte_offset < 0 ? std::nullopt : std::optional<int64_t>(answer.byte_offset);
    return Outcome<Image>(
        Rejection{answer.reason, std::move(text), offset, answer.pixels, answer.bytes});
  }
  Image image = {answer.width, answer.height, {}, std::move(text)};
  image.rgb.resize(size_t{3} * static_cast<size_t>(image.width) *
                   static_cast<size_t>(image.height));
  if (!exchange.Receive(image.rgb.data(), image.rgb.size())) return exchange.failure();
  return Outcome<Image>(std::move(image));
}

}  // namespace pomona::image
