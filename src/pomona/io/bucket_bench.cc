// Reading all images of a source, as extraction does: POMONA_BENCH_SOURCE names it, and the usual
// variables the store and the credentials. Nothing is measured without it.
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "pomona/io/read_ahead.h"
#include "pomona/io/source.h"

namespace pomona::io {
namespace {

const char* BenchSource() { return std::getenv("POMONA_BENCH_SOURCE"); }

void List(benchmark::State& state) {
  if (BenchSource() == nullptr) return state.SkipWithError("POMONA_BENCH_SOURCE is not set");
  const auto source = OpenSource(BenchSource(), {}).ValueOrDie();
  int64_t images = 0;
  for (auto _ : state) images += std::ssize(source->List({}, {}).ValueOrDie().entries);
  state.SetItemsProcessed(images);
}
BENCHMARK(List)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();

// The argument: reads under way at most.
void ReadAll(benchmark::State& state) {
  if (BenchSource() == nullptr) return state.SkipWithError("POMONA_BENCH_SOURCE is not set");
  const auto source = OpenSource(BenchSource(), {}).ValueOrDie();
  const Listing listing = source->List({}, {}).ValueOrDie();
  std::vector<const Entry*> entries;
  for (const Entry& entry : listing.entries) entries.push_back(&entry);
  int64_t bytes = 0;
  for (auto _ : state) {
    ReadAheadOptions options;
    options.max_file_bytes = int64_t{1} << 30;
    options.threads = static_cast<int>(state.range(0));
    ReadAhead ahead(*source, entries, options, {});
    for (size_t i = 0; i < entries.size(); ++i) {
      bytes += std::ssize(ahead.Take(i).ValueOrDie().value());
    }
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(entries));
  state.SetBytesProcessed(bytes);
}
BENCHMARK(ReadAll)
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->Arg(256)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace pomona::io
