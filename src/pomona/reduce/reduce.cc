#include "pomona/reduce/reduce.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

#include "pomona/base/hash.h"
#include "pomona/base/text.h"
#include "pomona/reduce/blocks.h"
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca_files.h"

namespace pomona::reduce {
namespace {

// What the libraries below throw, memory above all, as a Status.
template <typename Function>
std::invoke_result_t<Function> Guarded(Function function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory("not enough memory for the principal components");
  } catch (const std::exception& e) {
    return Status::UnknownError(e.what());
  }
}

// consume(*work(i)) for i = 0 ... count - 1, in this order and one at a time, while work runs on
// `threads` threads, with no more values than threads at a time. Stops at the first error, and
// before the next i when asked to.
template <typename Work, typename Consume>
Status InOrder(size_t count, int threads, const std::stop_token& stop, Work work, Consume consume) {
  using Value = std::invoke_result_t<Work, size_t>;
  size_t next = 0;
  std::atomic<bool> failed = false;
  Status status;
  const auto source = [&](tbb::flow_control& control) {
    if (next == count || failed || stop.stop_requested()) {
      control.stop();
      return count;
    }
    return next++;
  };
  const auto sink = [&](Value value) {
    if (status.ok()) status = value.ok() ? consume(*std::move(value)) : value.status();
    failed = !status.ok();
  };
  tbb::task_arena(threads).execute([&] {
    tbb::parallel_pipeline(
        static_cast<size_t>(threads),
        tbb::make_filter<void, size_t>(tbb::filter_mode::serial_in_order, source) &
            tbb::make_filter<size_t, Value>(tbb::filter_mode::parallel, work) &
            tbb::make_filter<Value, void>(tbb::filter_mode::serial_in_order, sink));
  });
  if (status.ok() && next < count) {
    return Stopped();
  }
  return status;
}

void WarnIfFewer(const Pca& pca, const Components& asked, const Observer& observer) {
  if (asked.fraction != 0 || pca.k == asked.count) return;
  observer.Warn("asked for " + Counted(asked.count, "component") + ", but the features of " +
                Counted(pca.n, "image") + " vary in " + Counted(pca.rank, "direction") +
                " only: " + Counted(pca.k, "component") + " kept");
}

Result<Pca> ReduceOrThrow(const dataset::Dataset& dataset, io::Store* results,
                          const ReduceOptions& options, const Observer& observer,
                          const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(Reduction reduction,
                        Reduction::Begin(dataset, results, options.k, observer));
  const std::vector<Block> blocks = Blocks(dataset);
  Parts parts(dataset, options.kept_bytes);
  ARROW_RETURN_NOT_OK(InOrder(
      blocks.size(), options.threads, stop,
      [&](size_t i) { return MomentsOfBlock(&parts, blocks[i], stop); },
      [&](Moments moments) {
        parts.Return(reduction.Merge(std::move(moments)));
        return Status::OK();
      }));
  parts.FreeMoments();  // tens of MB, which the next step needs
  ARROW_ASSIGN_OR_RAISE(const Pca pca, reduction.Fit(options.threads, stop));
  ARROW_RETURN_NOT_OK(InOrder(
      dataset.num_parts(), options.threads, stop,
      [&](size_t i) { return ProjectPart(&parts, i, pca); },
      [&](const Projected& projected) { return reduction.Append(projected); }));
  ARROW_RETURN_NOT_OK(reduction.Commit());
  return pca;
}

}  // namespace

Result<Reduction> Reduction::Begin(const dataset::Dataset& dataset, io::Store* results,
                                   const Components& k, const Observer& observer) {
  ARROW_RETURN_NOT_OK(CheckComponents(k, dataset.dimension()));
  Reduction reduction(results, k, observer);
  reduction.identity_ = DatasetIdentity(dataset.manifest());
  reduction.rows_ = dataset.rows();
  reduction.total_ = Moments(dataset.dimension());
  return reduction;
}

Reduction::Reduction(io::Store* results, const Components& k, Observer observer)
    : results_(results), k_(k), observer_(std::move(observer)) {}
Reduction::Reduction(Reduction&&) noexcept = default;
Reduction& Reduction::operator=(Reduction&&) noexcept = default;
Reduction::~Reduction() = default;

Moments Reduction::Merge(Moments moments) {
  Moments left = total_->Merge(std::move(moments));
  observer_.Report({"moments", total_->n(), rows_});
  return left;
}

Result<Pca> Reduction::Fit(int threads, const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(Pca pca,
                        FitPca(*std::move(total_), k_, Scaling::kStandardize, threads, stop));
  total_.reset();
  pca.dataset = identity_;
  WarnIfFewer(pca, k_, observer_);
  ARROW_ASSIGN_OR_RAISE(writer_, PcaWriter::Open(results_, pca));
  return pca;
}

Status Reduction::Append(const Projected& projected) {
  ARROW_RETURN_NOT_OK(writer_->Append(projected.rows, projected.values));
  projected_ += static_cast<int64_t>(projected.rows.size());
  observer_.Report({"projection", projected_, rows_});
  return Status::OK();
}

Status Reduction::Commit() {
  if (projected_ != rows_) return Status::Invalid("a part is not projected: nothing was replaced");
  return writer_->Commit();
}

int ThreadsWithin(int64_t bytes, int dimension, int64_t part_rows, int threads) {
  constexpr int64_t kProgram = 100'000'000;
  const int64_t matrix = int64_t{8} * dimension * dimension;
  const int64_t part = part_rows * dimension * int64_t{sizeof(float)};
  const int64_t fixed = kProgram + 3 * matrix / 2;  // the total, in which LAPACK works
  const int64_t each = 3 * matrix / 2 + 2 * part;   // D, R, a part and its file
  while (threads > 0 && fixed + threads * each > bytes) --threads;
  return threads;
}

std::string DatasetIdentity(const dataset::Manifest& manifest) {
  std::string text = manifest.recipe_hash() + manifest.model_hash();
  for (const dataset::PartEntry& part : manifest.parts) text += part.key;
  return Xxh3Hex(text);
}

Result<Pca> Reduce(const dataset::Dataset& dataset, io::Store* results,
                   const ReduceOptions& options, const Observer& observer, std::stop_token stop) {
  if (options.threads < 1) {
    return UsageError("the number of threads is " + std::to_string(options.threads) +
                      ": give 1 or more");
  }
  return Guarded([&] { return ReduceOrThrow(dataset, results, options, observer, stop); });
}

Result<Pca> LoadPca(const io::Store& results) {
  return Guarded([&] { return ReadPca(results); });
}

Result<Projection> LoadProjection(const io::Store& results) {
  return Guarded([&] { return ReadProjection(results); });
}

}  // namespace pomona::reduce
