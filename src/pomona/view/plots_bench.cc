// How long a map of the main job's size takes to write and to render.

#include <cmath>
#include <string>

#include <benchmark/benchmark.h>

#include "pomona/view/plots.h"

namespace pomona::view {
namespace {

Scatter Cloud(int64_t n, int64_t classes) {
  Scatter scatter;
  for (int64_t i = 0; i < n; ++i) {
    const double centre = static_cast<double>(i % classes), turn = static_cast<double>(i) * 2.4;
    const double radius = std::sqrt(static_cast<double>(i % 1'000)) / 10;
    scatter.x.push_back(9 * std::cos(centre) + radius * std::cos(turn));
    scatter.y.push_back(6 * std::sin(centre * 1.7) + radius * std::sin(turn));
    scatter.labels.push_back("label " + std::to_string(i % classes));
  }
  return scatter;
}

void BM_ScatterSvg(benchmark::State& state) {
  const Scatter scatter = Cloud(state.range(0), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(ScatterSvg(scatter));
  state.counters["bytes"] = static_cast<double>(ScatterSvg(scatter).size());
}

void BM_RenderPng(benchmark::State& state) {
  const std::string svg = ScatterSvg(Cloud(state.range(0), state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(RenderPng(svg, 1920));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t n : {50, 20'622, 200'000}) {
    for (int64_t classes : {5, 120}) benchmark->Args({n, classes});
  }
  benchmark->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_ScatterSvg)->Apply(Sizes);
BENCHMARK(BM_RenderPng)->Apply(Sizes);

}  // namespace
}  // namespace pomona::view
