// Long native work that Python can watch and interrupt.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include <nanobind/nanobind.h>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "status.h"

namespace pomona::python {

// Runs `work` on a thread of its own, without the GIL. Ten times a second the calling thread tells
// `progress(stage, done, total, rejected)` and `warning(text)` (callables, or None) what there is
// to tell, and runs Python's signal handlers. If one of these raises (Ctrl-C: KeyboardInterrupt),
// the work is asked to stop and, once it has, that exception goes on; otherwise a failure of the
// work is raised as Check does. Call with the GIL held. `work` must not touch Python.
void RunInterruptibly(const std::function<Status(const Observer&, std::stop_token)>& work,
                      nanobind::handle progress = nanobind::none(),
                      nanobind::handle warning = nanobind::none());

// What `work()` gives, without the GIL, on the calling thread: for what is short and cannot stop.
template <typename Work>
auto WithoutGil(Work work) {
  const nanobind::gil_scoped_release release;
  return work();
}

// RunInterruptibly for work that gives a Result; returns its value.
template <typename Work>
auto Interruptible(Work&& work, nanobind::handle progress = nanobind::none(),
                   nanobind::handle warning = nanobind::none()) {
  using Value =
      std::remove_cvref_t<decltype(*work(std::declval<const Observer&>(), std::stop_token()))>;
  std::optional<Value> value;
  RunInterruptibly(
      [&](const Observer& observer, std::stop_token stop) -> Status {
        ARROW_ASSIGN_OR_RAISE(value, work(observer, std::move(stop)));
        return Status::OK();
      },
      progress, warning);
  return std::move(*value);
}

}  // namespace pomona::python
