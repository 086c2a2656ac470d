#include "pomona/extract/pipeline.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

namespace pomona::extract {
namespace {

// Enough to keep every thread busy while the writer is, few enough that memory stays flat.
constexpr int kGroupsInFlightPerThread = 4;

// What all threads have in work is at most one share of what may be read ahead, so that what they
// take next is being read.
constexpr int kShares = 2;

struct Item {
  size_t index = 0;  // among the images of all parts
  size_t part = 0;
  const PlannedEntry* image = nullptr;
  std::optional<Outcome<Prepared>> prepared;
  std::optional<Outcome<Featurized>> outcome;
};

// What a thread takes at a time.
using Group = std::vector<Item>;

std::vector<const io::Entry*> Entries(const std::vector<const PlannedPart*>& parts) {
  std::vector<const io::Entry*> entries;
  for (const PlannedPart* part : parts) {
    for (const PlannedEntry& image : part->entries) entries.push_back(&image.entry);
  }
  return entries;
}

size_t CountImages(const std::vector<const PlannedPart*>& parts) {
  size_t images = 0;
  for (const PlannedPart* part : parts) images += part->entries.size();
  return images;
}

// The stages share this; `first_error` may be set by any thread.
class Pipeline {
 public:
  Pipeline(const std::vector<const PlannedPart*>& parts, const io::Source& source,
           const Featurizer& featurizer, const PipelineOptions& options,
           const std::function<Status(size_t, const dataset::Part&)>& write,
           const Observer& observer, Progress progress, std::stop_token stop)
      : parts_(parts),
        images_(CountImages(parts)),
        threads_(options.threads),
        group_bytes_(options.group_bytes),
        images_of_a_group_(options.read_ahead.images / kShares / static_cast<size_t>(threads_)),
        bytes_of_a_group_(options.read_ahead.memory_bytes / kShares / threads_),
        read_kind_(source.remote() ? Profile::Kind::kWaiting : Profile::Kind::kBusy),
        ahead_(source, Entries(parts), options.read_ahead, stop),
        featurizer_(featurizer),
        dimension_(options.dimension),
        write_(write),
        observer_(observer),
        progress_(std::move(progress)),
        stop_(std::move(stop)) {}

  // The next images, of one part, or nullptr at the end, after an error, or when stopped.
  std::unique_ptr<Group> Next() {
    if (index_ == images_ || ended()) return nullptr;
    const size_t most = std::min(featurizer_.GroupSize(group_bytes_, images_ - index_, threads_),
                                 images_of_a_group_);
    auto group = std::make_unique<Group>();
    int64_t bytes = 0;
    do {
      group->push_back(NextItem());
      bytes += group->back().image->entry.size;
    } while (image_ != 0 && group->size() < most && bytes < bytes_of_a_group_);
    return group;
  }

  void Work(Group* group) {
    for (Item& item : *group) {
      if (ended()) return;
      Keep(Prepare(item), &item.prepared);
    }
    for (Item& item : *group) {
      if (ended()) return;
      Keep(Infer(std::move(*item.prepared)), &item.outcome);
      item.prepared.reset();
    }
  }

  void Collect(std::unique_ptr<Group> group) {
    for (Item& item : *group) {
      if (!item.outcome) return;  // stopped or failed
      if (building_.dimension == 0) building_.dimension = dimension_;
      Append(std::move(item));
      observer_.Report(progress_);
    }
  }

  Status Finish() {
    if (!first_error_.ok()) return first_error_;
    if (written_ < parts_.size()) {
      return Interrupted("stopped; finished parts are kept, and the same command continues");
    }
    return Status::OK();
  }

 private:
  bool ended() const { return failed() || stop_.stop_requested(); }

  Item NextItem() {
    Item item{index_++, part_, &parts_[part_]->entries[image_], {}, {}};
    if (++image_ == parts_[part_]->entries.size()) {
      ++part_;
      image_ = 0;
    }
    return item;
  }

  Result<Outcome<Prepared>> Prepare(const Item& item) {
    const io::Entry& entry = item.image->entry;
    ARROW_ASSIGN_OR_RAISE(const auto bytes,
                          Timed(
                              observer_.profile, "read", [&] { return ahead_.Take(item.index); },
                              entry.path, read_kind_));
    return featurizer_.Prepare(entry, bytes);
  }

  Result<Outcome<Featurized>> Infer(Outcome<Prepared> prepared) const {
    if (!prepared.ok()) return Outcome<Featurized>(prepared.rejection());
    return featurizer_.Infer(std::move(prepared).value());
  }

  template <typename T>
  void Keep(Result<Outcome<T>> result, std::optional<Outcome<T>>* kept) {
    if (result.ok()) {
      *kept = std::move(*result);
    } else if (!stop_.stop_requested()) {
      Fail(result.status());
    }
  }

  void Append(Item item) {
    const PlannedEntry& image = *item.image;
    if (item.outcome->ok()) {
      Featurized& done = item.outcome->value();
      building_.rows.push_back(std::move(done.row));
      building_.features.insert(building_.features.end(), done.feature.begin(), done.feature.end());
    } else {
      building_.rejected.push_back({image.entry.path, image.entry.label, image.entry.size,
                                    image.entry.version, item.outcome->rejection(), image.attempt});
      ++progress_.rejected;
    }
    ++progress_.done;
    if (building_.rows.size() + building_.rejected.size() == parts_[item.part]->entries.size()) {
      const Span span(observer_.profile, "write");
      const Status written = write_(item.part, building_);
      if (!written.ok()) Fail(written);
      building_ = dataset::Part();
      ++written_;
    }
  }

  bool failed() const {
    const std::lock_guard lock(mutex_);
    return !first_error_.ok();
  }

  void Fail(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
  }

  const std::vector<const PlannedPart*>& parts_;
  const size_t images_;
  const int threads_;
  const int64_t group_bytes_;
  const size_t images_of_a_group_;
  const int64_t bytes_of_a_group_;
  const Profile::Kind read_kind_;
  io::ReadAhead ahead_;
  const Featurizer& featurizer_;
  const int dimension_;
  const std::function<Status(size_t, const dataset::Part&)>& write_;
  const Observer& observer_;
  Progress progress_;
  const std::stop_token stop_;

  size_t index_ = 0;  // the next image to start, among all,
  size_t part_ = 0;   // and where it is
  size_t image_ = 0;  // 0: a part begins
  dataset::Part building_;
  size_t written_ = 0;  // parts
  mutable std::mutex mutex_;
  Status first_error_;
};

}  // namespace

Status RunParts(const std::vector<const PlannedPart*>& parts, const io::Source& source,
                const Featurizer& featurizer, const PipelineOptions& options,
                const std::function<Status(size_t, const dataset::Part&)>& write,
                const Observer& observer, Progress progress, std::stop_token stop) {
  Pipeline pipeline(parts, source, featurizer, options, write, observer, std::move(progress),
                    std::move(stop));
  // The arena alone cannot exceed the number of CPUs that oneTBB sees.
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                    static_cast<size_t>(options.threads) + 1);
  tbb::task_arena arena(options.threads);
  arena.execute([&] {
    tbb::parallel_pipeline(
        static_cast<size_t>(options.threads) * kGroupsInFlightPerThread,
        tbb::make_filter<void, Group*>(tbb::filter_mode::serial_in_order,
                                       [&](tbb::flow_control& flow) -> Group* {
                                         auto group = pipeline.Next();
                                         if (group == nullptr) flow.stop();
                                         return group.release();
                                       }) &
            tbb::make_filter<Group*, Group*>(tbb::filter_mode::parallel,
                                             [&](Group* group) {
                                               pipeline.Work(group);
                                               return group;
                                             }) &
            tbb::make_filter<Group*, void>(tbb::filter_mode::serial_in_order, [&](Group* group) {
              pipeline.Collect(std::unique_ptr<Group>(group));
            }));
  });
  return pipeline.Finish();
}

}  // namespace pomona::extract
