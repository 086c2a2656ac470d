#include "pomona/cli/watch.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "pomona/base/text.h"
#include "pomona/base/threads.h"
#include "pomona/io/event_queue.h"

namespace pomona::cli {
namespace {

using std::chrono::seconds;

constexpr int kSecondsAfterFailure = 10;

// Until the source is worth a look, or stopped. A queue is asked again after --watch at the latest,
// as its messages may be lost.
Status WaitForChange(const WatchFlags& flags, io::EventQueue* queue, const std::stop_token& stop) {
  const seconds time(flags.seconds);
  if (queue == nullptr) {
    Sleep(time, stop);
    return Status::OK();
  }
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool changed, queue->Wait(seconds(20), stop));
    const bool late = flags.seconds > 0 && std::chrono::steady_clock::now() - start >= time;
    if (changed || late) return Status::OK();
  }
}

// Whether trying again may help.
bool MayPass(const Status& status) {
  return status.IsIOError() || IsConflict(status) || IsNothingToRead(status);
}

}  // namespace

void WatchFlags::Add(CLI::App* command) {
  command
      ->add_option("--watch", seconds,
                   "Keep the results up to date: look again every N seconds, until stopped")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000).description(""));
  command
      ->add_option("--watch-queue", queue,
                   "Keep the results up to date: look when this SQS queue has an S3 event")
      ->type_name("URL");
}

Result<int> Watch(const WatchFlags& flags, const io::BucketOptions& bucket, Context* context,
                  const std::function<Result<int>()>& once) {
  if (!flags.on()) return once();
  std::unique_ptr<io::EventQueue> queue;
  if (!flags.queue.empty()) {
    ARROW_ASSIGN_OR_RAISE(queue, io::EventQueue::Open(flags.queue, bucket));
  }
  const Observer observer = context->console.observer();
  bool told = false;
  for (;;) {
    Status status = once().status();
    if (status.ok() && queue != nullptr) status = queue->Acknowledge(context->stop);
    if (status.ok() && !told) {
      context->console.Line("Watching for changes; stop with Ctrl-C");
      told = true;
    }
    context->console.Flush();
    if (status.ok()) status = WaitForChange(flags, queue.get(), context->stop);
    if (context->stop.stop_requested()) return status.ok() ? Result<int>(kExitDone) : status;
    if (status.ok()) continue;
    if (!MayPass(status)) return status;
    const int pause = std::max(flags.seconds, kSecondsAfterFailure);
    observer.Warn(status.message() + "; trying again in " + Counted(pause, "second"));
    Sleep(seconds(pause), context->stop);
  }
}

}  // namespace pomona::cli
