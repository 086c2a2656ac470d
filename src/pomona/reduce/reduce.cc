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
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca_files.h"

namespace pomona::reduce {
namespace {

// From here on multiplying a part's rows, which threads do side by side, costs more than adding
// two matrices, which they do one after the other (pca_bench).
constexpr size_t kFoldRows = 256;

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
// `threads` threads at no more than `threads` i at once. Stops at the first error, and before the
// next i when asked to.
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
        threads, tbb::make_filter<void, size_t>(tbb::filter_mode::serial_in_order, source) &
                     tbb::make_filter<size_t, Value>(tbb::filter_mode::parallel, work) &
                     tbb::make_filter<Value, void>(tbb::filter_mode::serial_in_order, sink));
  });
  if (status.ok() && next < count) {
    return Interrupted("stopped before the principal components were done; nothing was replaced");
  }
  return status;
}

Result<Moments> MomentsOfPart(const dataset::Dataset& dataset, size_t i) {
  ARROW_ASSIGN_OR_RAISE(const dataset::Part part, dataset.ReadPart(i));
  Moments moments(dataset.dimension());
  moments.Add(part.features.data(), static_cast<int64_t>(part.rows.size()));
  const std::vector<double> mean = moments.mean();
  if (!std::all_of(mean.begin(), mean.end(), [](double m) { return std::isfinite(m); })) {
    return Status::Invalid(dataset::kFeaturesFolder, "/",
                           dataset::PartName(dataset.manifest().parts[i].key),
                           " holds a feature that is not finite: delete features/ and run "
                           "`pomona extract` again");
  }
  const bool many = dataset.rows() > dataset.dimension() / 2;
  if (many && part.rows.size() >= kFoldRows) moments.Fold();
  return moments;
}

Result<Moments> AllMoments(const dataset::Dataset& dataset, int threads, const Observer& observer,
                           const std::stop_token& stop) {
  Moments total(dataset.dimension());
  ARROW_RETURN_NOT_OK(InOrder(
      dataset.num_parts(), threads, stop, [&](size_t i) { return MomentsOfPart(dataset, i); },
      [&](Moments moments) {
        total.Merge(std::move(moments));
        observer.Report({"moments", total.n(), dataset.rows()});
        return Status::OK();
      }));
  return total;
}

struct Projected {
  std::vector<dataset::Row> rows;
  std::vector<double> values;
};

Result<Projected> ProjectPart(const dataset::Dataset& dataset, size_t i, const Pca& pca) {
  ARROW_ASSIGN_OR_RAISE(dataset::Part part, dataset.ReadPart(i));
  const auto rows = static_cast<int64_t>(part.rows.size());
  return Projected{std::move(part.rows), pca.Project(part.features.data(), rows)};
}

Status WriteAll(const dataset::Dataset& dataset, io::Store* results, const Pca& pca, int threads,
                const Observer& observer, const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(const auto writer, PcaWriter::Open(results, pca));
  int64_t done = 0;
  ARROW_RETURN_NOT_OK(InOrder(
      dataset.num_parts(), threads, stop, [&](size_t i) { return ProjectPart(dataset, i, pca); },
      [&](const Projected& projected) {
        ARROW_RETURN_NOT_OK(writer->Append(projected.rows, projected.values));
        done += static_cast<int64_t>(projected.rows.size());
        observer.Report({"projection", done, dataset.rows()});
        return Status::OK();
      }));
  return writer->Commit();
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
  ARROW_ASSIGN_OR_RAISE(const Moments moments,
                        AllMoments(dataset, options.threads, observer, stop));
  ARROW_ASSIGN_OR_RAISE(Pca pca, FitPca(moments, options.k));
  pca.dataset = DatasetIdentity(dataset.manifest());
  WarnIfFewer(pca, options.k, observer);
  ARROW_RETURN_NOT_OK(WriteAll(dataset, results, pca, options.threads, observer, stop));
  return pca;
}

}  // namespace

std::string DatasetIdentity(const dataset::Manifest& manifest) {
  std::string text = manifest.recipe_hash() + manifest.model_hash();
  for (const dataset::PartEntry& part : manifest.parts) text += part.key;
  return Xxh3Hex(text);
}

Result<Pca> Reduce(const dataset::Dataset& dataset, io::Store* results,
                   const ReduceOptions& options, const Observer& observer, std::stop_token stop) {
  ARROW_RETURN_NOT_OK(CheckComponents(options.k, dataset.dimension()));
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
