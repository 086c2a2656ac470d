#include "interruptible.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <nanobind/stl/string.h>

#include "pomona/base/text.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;

constexpr std::chrono::milliseconds kWake{100};

// What the work has said since it was last asked.
struct News {
  std::vector<Progress> progress;  // of each stage the latest
  std::vector<std::string> warnings;
};

class Work {
 public:
  explicit Work(const std::function<Status(const Observer&, std::stop_token)>& work)
      : thread_([this, &work](std::stop_token stop) { Run(work, std::move(stop)); }) {}

  void Stop() { thread_.request_stop(); }

  // Waits for the end, but not longer than kWake. Whether it has come.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, kWake, [&] { return has_ended_; });
  }

  News TakeNews() {
    const std::lock_guard lock(mutex_);
    return std::exchange(news_, {});
  }

  // After Wait has given true.
  const Status& status() const { return status_; }

 private:
  void Run(const std::function<Status(const Observer&, std::stop_token)>& work,
           std::stop_token stop) {
    const Observer observer{[this](const Progress& progress) { Note(progress); },
                            [this](const std::string& warning) { Note(warning); }};
    Status status;
    try {
      status = work(observer, std::move(stop));
    } catch (const std::bad_alloc&) {
      status = Status::OutOfMemory(
          "out of memory: use fewer threads, or a machine with more memory; what is finished is "
          "kept");
    } catch (const std::exception& e) {
      status = Status::UnknownError("unexpected: ", e.what(), "; please report this");
    }
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    has_ended_ = true;
    ended_.notify_one();
  }

  void Note(const Progress& progress) {
    const std::lock_guard lock(mutex_);
    if (news_.progress.empty() || news_.progress.back().stage != progress.stage) {
      news_.progress.push_back(progress);
    } else {
      news_.progress.back() = progress;
    }
  }

  void Note(const std::string& warning) {
    const std::lock_guard lock(mutex_);
    news_.warnings.push_back(warning);
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  bool has_ended_ = false;
  Status status_;
  News news_;
  std::jthread thread_;  // last: it uses the others
};

void Tell(const News& news, nb::handle progress, nb::handle warning) {
  if (!warning.is_none()) {
    for (const std::string& text : news.warnings) warning(ToUtf8(text));
  }
  if (!progress.is_none()) {
    for (const Progress& p : news.progress) progress(p.stage.c_str(), p.done, p.total, p.rejected);
  }
}

}  // namespace

void RunInterruptibly(const std::function<Status(const Observer&, std::stop_token)>& work,
                      nb::handle progress, nb::handle warning) {
  Work running(work);
  std::exception_ptr raised;
  for (bool ended = false; !ended;) {
    {
      const nb::gil_scoped_release release;
      ended = running.Wait();
    }
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!raised) Tell(running.TakeNews(), progress, warning);
    } catch (const nb::python_error&) {
      running.Stop();
      if (!raised) raised = std::current_exception();
    }
  }
  // A stop that came when all was done already is an interruption all the same.
  if (raised) std::rethrow_exception(raised);
  Check(running.status());
}

}  // namespace pomona::python
