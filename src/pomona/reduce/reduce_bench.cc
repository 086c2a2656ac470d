// The whole of Reduce, from features/ to pca/ on the local disk.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>

#include "pomona/base/threads.h"
#include "pomona/dataset/commit.h"
#include "pomona/reduce/reduce.h"

namespace pomona::reduce {
namespace {

constexpr int64_t kPartRows = 1024;

dataset::Part Draw(int64_t rows, int dimension, uint32_t seed) {
  dataset::Part part;
  part.dimension = dimension;
  part.rows.resize(rows);
  for (int64_t i = 0; i < rows; ++i) {
    part.rows[i].path = std::to_string(seed) + "/" + std::to_string(i) + ".jpg";
    part.rows[i].label = std::to_string(seed % 7);
  }
  part.features.resize(rows * dimension);
  for (float& x : part.features) {
    seed = seed * 1664525U + 1013904223U;
    x = static_cast<float>(seed >> 8) / (1 << 20);
  }
  return part;
}

Status PutDataset(io::Store* store, int64_t rows, int dimension) {
  dataset::Manifest manifest;
  manifest.label = "folder";
  manifest.recipe = nlohmann::json::object();
  manifest.model = {{"identity", {{"output", {{"dimension", dimension}}}}}};
  for (int64_t done = 0; done < rows; done += kPartRows) {
    const std::string digits = std::to_string(done);
    const dataset::PartIdentity identity{std::string(32 - digits.size(), '0') + digits,
                                         manifest.recipe_hash(), manifest.model_hash()};
    const auto part =
        Draw(std::min(kPartRows, rows - done), dimension, static_cast<uint32_t>(done));
    ARROW_ASSIGN_OR_RAISE(auto entry, dataset::WritePart(store, part, identity));
    manifest.parts.push_back(std::move(entry));
  }
  return dataset::Commit(store, manifest);
}

// rows x columns.
void ReduceAll(benchmark::State& state) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("pomona_reduce_bench_" + std::to_string(getpid()));
  const auto store = io::OpenStore(folder.string()).ValueOrDie();
  const Status put = PutDataset(store.get(), state.range(0), static_cast<int>(state.range(1)));
  if (!put.ok()) return state.SkipWithError(put.ToString().c_str());
  const auto dataset = dataset::Dataset::Open(*store).ValueOrDie();
  ReduceOptions options;
  options.threads = AvailableCpus();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Reduce(dataset, store.get(), options, {}, {}).ValueOrDie().rank);
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(ReduceAll)
    ->Args({50, 1280})
    ->Args({50, 2048})
    ->Args({20 * kPartRows, 2048})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pomona::reduce
