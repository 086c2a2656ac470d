#include "pomona/precision/sample.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "pomona/base/hash.h"
#include "pomona/io/read_ahead.h"

namespace pomona::precision {
namespace {

// Calls work(i) for each i < count on `threads` threads. The first error ends it.
Status ForEach(size_t count, int threads, const std::function<Status(size_t)>& work,
               const std::stop_token& stop) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  Status first_error;
  const auto worker = [&] {
    for (size_t i = next++; i < count; i = next++) {
      const Status status =
          stop.stop_requested() ? Interrupted("stopped while comparing precisions") : work(i);
      if (status.ok()) continue;
      next = count;
      const std::lock_guard lock(mutex);
      if (first_error.ok()) first_error = status;
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 1; i < threads; ++i) workers.emplace_back(worker);
    worker();
  }
  return first_error;
}

// Nothing if the image cannot be used.
Result<std::optional<image::Image>> PrepareOne(const Outcome<std::vector<uint8_t>>& bytes,
                                               const SampleOptions& options) try {
  if (!bytes.ok()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(
      const auto decoded,
      image::DecodeIn(options.sandbox, bytes.value(), options.limits, options.recipe.jpeg_policy));
  if (!decoded.ok()) return std::nullopt;
  return image::Prepare(decoded.value(), options.recipe);
} catch (const std::bad_alloc&) {
  return std::nullopt;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<io::Entry> StratifiedSample(const std::vector<io::Entry>& entries, int64_t count) {
  // Hash, then name: a collision changes nothing.
  using Ordered = std::pair<std::string, const io::Entry*>;
  std::map<std::pair<std::string, std::string>, std::vector<Ordered>> by_label;
  for (const io::Entry& entry : entries) {
    if (entry.rejected) continue;
    const std::string label = entry.label.value_or("");
    by_label[{Xxh3Hex(label), label}].emplace_back(Xxh3Hex(entry.path), &entry);
  }
  size_t longest = 0;
  for (auto& [label, members] : by_label) {
    std::sort(members.begin(), members.end(), [](const Ordered& a, const Ordered& b) {
      return a.first != b.first ? a.first < b.first : a.second->path < b.second->path;
    });
    longest = std::max(longest, members.size());
  }
  std::vector<io::Entry> sample;
  for (size_t turn = 0; turn < longest; ++turn) {
    for (const auto& [label, members] : by_label) {
      if (static_cast<int64_t>(sample.size()) >= count) return sample;
      if (turn < members.size()) sample.push_back(*members[turn].second);
    }
  }
  return sample;
}

Result<PreparedSample> PrepareSample(const io::Source& source, std::span<const io::Entry> entries,
                                     const SampleOptions& options, const Observer& observer,
                                     const std::stop_token& stop) {
  std::vector<const io::Entry*> pointers;
  for (const io::Entry& entry : entries) pointers.push_back(&entry);
  io::ReadAhead ahead(
      source, pointers,
      {.max_file_bytes = options.limits.max_bytes, .memory_bytes = options.read_ahead_bytes}, stop);
  std::vector<std::optional<image::Image>> prepared(entries.size());
  Progress progress{"sample", 0, static_cast<int64_t>(entries.size()), 0};
  std::mutex reporting;
  const auto one = [&](size_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, ahead.Take(i));
    ARROW_ASSIGN_OR_RAISE(prepared[i], PrepareOne(bytes, options));
    const std::lock_guard lock(reporting);
    ++progress.done;
    progress.rejected += prepared[i] ? 0 : 1;
    observer.Report(progress);
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(ForEach(entries.size(), options.threads, one, stop));
  PreparedSample sample;
  for (auto& image : prepared) {
    if (image) sample.images.push_back(std::move(*image));
  }
  sample.unusable = progress.rejected;
  return sample;
}

Result<SampleFeatures> RunSample(model::Runner* runner, std::span<const image::Image> images,
                                 int threads, const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  const auto d = static_cast<size_t>(runner->dimension());
  SampleFeatures out;
  out.values.resize(images.size() * d);
  std::vector<double> seconds(images.size());
  const auto one = [&](size_t i) -> Status {
    const auto start = Clock::now();
    ARROW_RETURN_NOT_OK(runner->Run(images[i].rgb, std::span(out.values).subspan(i * d, d)));
    seconds[i] = std::chrono::duration<double>(Clock::now() - start).count();
    return Status::OK();
  };
  ARROW_RETURN_NOT_OK(ForEach(images.size(), threads, one, stop));
  if (images.empty()) return out;
  out.images_per_second = threads / std::max(Median(seconds), 1e-9);
  return out;
}

}  // namespace pomona::precision
