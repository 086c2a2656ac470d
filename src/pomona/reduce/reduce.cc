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

// Parts are multiplied into one matrix until they have so many rows for each column, before that
// matrix is added to the total: the more, the less adding costs beside multiplying, the fewer, the
// more evenly the threads are busy (MomentsOfBlocks in pca_bench).
constexpr int64_t kRowsPerColumn = 2;

// From so many rows on multiplying them, which threads do side by side, costs more than adding two
// matrices, which they do one after the other (MergePart in pca_bench).
constexpr int64_t kFoldRows = 256;

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

Status CheckFinite(const Moments& moments, const dataset::PartEntry& part) {
  const std::vector<double> mean = moments.mean();
  if (std::all_of(mean.begin(), mean.end(), [](double m) { return std::isfinite(m); })) {
    return Status::OK();
  }
  return Status::Invalid(dataset::kFeaturesFolder, "/", dataset::PartName(part.key),
                         " holds a feature that is not finite: delete features/ and run "
                         "`pomona extract` again");
}

// Consecutive parts, [first, last): one unit of work. Which parts these are follows from the
// manifest alone, and so does the order of all sums.
struct Block {
  size_t first = 0;
  size_t last = 0;
  int64_t rows = 0;
};

std::vector<Block> Blocks(const dataset::Dataset& dataset) {
  const int64_t full = kRowsPerColumn * dataset.dimension();
  std::vector<Block> blocks;
  for (size_t i = 0; i < dataset.num_parts(); ++i) {
    if (blocks.empty() || blocks.back().rows >= full) blocks.push_back({i, i, 0});
    ++blocks.back().last;
    blocks.back().rows += dataset.manifest().parts[i].rows;
  }
  return blocks;
}

Result<Moments> MomentsOfBlock(const dataset::Dataset& dataset, const Block& block) {
  Moments moments(dataset.dimension());
  for (size_t i = block.first; i < block.last; ++i) {
    ARROW_ASSIGN_OR_RAISE(const dataset::Part part, dataset.ReadPart(i));
    moments.Add(part.features.data(), static_cast<int64_t>(part.rows.size()));
    ARROW_RETURN_NOT_OK(CheckFinite(moments, dataset.manifest().parts[i]));
  }
  const bool many = dataset.rows() > dataset.dimension() / 2;
  if (many && block.rows >= kFoldRows) moments.Fold();
  return moments;
}

Result<Moments> AllMoments(const dataset::Dataset& dataset, int threads, const Observer& observer,
                           const std::stop_token& stop) {
  const std::vector<Block> blocks = Blocks(dataset);
  Moments total(dataset.dimension());
  ARROW_RETURN_NOT_OK(InOrder(
      blocks.size(), threads, stop, [&](size_t i) { return MomentsOfBlock(dataset, blocks[i]); },
      [&](Moments moments) {
        total.Merge(std::move(moments));
        observer.Report({"moments", total.n(), dataset.rows()});
        return Status::OK();
      }));
  return total;
}

// The moments, tens of MB, are gone when the projection begins.
Result<Pca> FitAll(const dataset::Dataset& dataset, const ReduceOptions& options,
                   const Observer& observer, const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(const Moments moments,
                        AllMoments(dataset, options.threads, observer, stop));
  return FitPca(moments, options.k);
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
  ARROW_ASSIGN_OR_RAISE(Pca pca, FitAll(dataset, options, observer, stop));
  pca.dataset = DatasetIdentity(dataset.manifest());
  WarnIfFewer(pca, options.k, observer);
  ARROW_RETURN_NOT_OK(WriteAll(dataset, results, pca, options.threads, observer, stop));
  return pca;
}

}  // namespace

int ThreadsWithin(int64_t bytes, int dimension, int64_t part_rows, int threads) {
  constexpr int64_t kProgram = 100'000'000;
  const int64_t matrix = int64_t{8} * dimension * dimension;
  const int64_t part = part_rows * dimension * int64_t{sizeof(float)};
  const int64_t fixed = kProgram + 5 * matrix / 2;  // the total, and what LAPACK works in
  const int64_t each = 3 * matrix / 2 + 2 * part;   // D, R, a part and its file
  const int64_t fit = bytes < fixed ? 0 : (bytes - fixed) / each;
  return static_cast<int>(std::min<int64_t>(fit, threads));
}

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
