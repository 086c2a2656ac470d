// Moments against the bare matrix product that they cannot do without, PCA by either road, and what
// makes the constants of this room.
#include <cstdint>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <cblas.h>
#include <lapacke.h>

#include "pomona/reduce/blas.h"
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca.h"
#include "pomona/reduce/scores.h"
#include "pomona/reduce/tridiagonal.h"

namespace pomona::reduce {
namespace {

std::vector<float> Draw(int64_t rows, int64_t dimension) {
  std::vector<float> out(rows * dimension);
  uint32_t state = 1;
  for (float& x : out) {
    state = state * 1664525U + 1013904223U;
    x = static_cast<float>(state >> 8) / (1 << 20);
  }
  return out;
}

constexpr int kColumns = 2048;

void Syrk(benchmark::State& state) {
  UseOneBlasThread();
  const auto rows = static_cast<int>(state.range(0));
  const std::vector<float> x = Draw(rows, kColumns);
  const std::vector<double> wide(x.begin(), x.end());
  std::vector<double> product(size_t{kColumns} * kColumns);
  for (auto _ : state) {
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, kColumns, rows, 1.0, wide.data(), kColumns,
                0.0, product.data(), kColumns);
    benchmark::DoNotOptimize(product.data());
  }
}
BENCHMARK(Syrk)->Arg(256)->Arg(1024)->Arg(8192)->Unit(benchmark::kMillisecond);

// rows x columns.
void MomentsAdd(benchmark::State& state) {
  const auto columns = static_cast<int>(state.range(1));
  const std::vector<float> x = Draw(state.range(0), columns);
  for (auto _ : state) {
    Moments moments(columns);
    moments.Add(x.data(), state.range(0));
    moments.Fold();
    benchmark::DoNotOptimize(moments.n());
  }
}
BENCHMARK(MomentsAdd)
    ->ArgsProduct({{256, 1024, 8192}, {1280, kColumns}})
    ->Unit(benchmark::kMillisecond);

// Rows in parts of 1,024, so many rows to a block, as Reduce makes them, but one after the other.
void MomentsOfBlocks(benchmark::State& state) {
  constexpr int64_t kPart = 1024;
  const std::vector<float> x = Draw(kPart, kColumns);
  for (auto _ : state) {
    Moments total(kColumns);
    for (int64_t done = 0; done < state.range(0); done += state.range(1)) {
      Moments block(kColumns);
      for (int64_t row = 0; row < state.range(1); row += kPart) block.Add(x.data(), kPart);
      block.Fold();
      total.Merge(std::move(block));
    }
    benchmark::DoNotOptimize(total.n());
  }
}
BENCHMARK(MomentsOfBlocks)
    ->ArgsProduct({{16384}, {1024, 2048, 4096, 8192}})
    ->Unit(benchmark::kMillisecond);

// What the thread that merges does for one part of so many rows, multiplied (1) or not (0) before.
void MergePart(benchmark::State& state) {
  Moments total(kColumns);
  const std::vector<float> x = Draw(state.range(0), kColumns);
  Moments part(kColumns);
  part.Add(x.data(), state.range(0));
  if (state.range(1) == 1) part.Fold();
  for (auto _ : state) total.Merge(part);
}
BENCHMARK(MergePart)
    ->ArgsProduct({{64, 128, 256, 512, 1024}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

// rows x columns.
void Fit(benchmark::State& state) {
  const auto columns = static_cast<int>(state.range(1));
  const std::vector<float> x = Draw(state.range(0), columns);
  Moments moments(columns);
  moments.Add(x.data(), state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(FitPca(moments, {6, 0}));
  state.SetLabel(moments.is_thin() ? "singular vectors" : "eigenvectors");
}
BENCHMARK(Fit)
    ->Args({50, 1280})
    ->Args({50, 2048})
    ->Args({1000, 2048})
    ->Args({1100, 2048})
    ->Unit(benchmark::kMillisecond);

// columns, threads; none is LAPACK's dsytrd.
void Tridiagonal(benchmark::State& state) {
  UseOneBlasThread();
  const auto n = static_cast<int>(state.range(0));
  const auto threads = static_cast<int>(state.range(1));
  const std::vector<float> draw = Draw(n, n);
  const std::vector<double> matrix(draw.begin(), draw.end());
  std::vector<double> diagonal(n);
  std::vector<double> beside(n);
  std::vector<double> factors(n);
  for (auto _ : state) {
    std::vector<double> work = matrix;
    const int info = threads == 0 ? LAPACKE_dsytrd(LAPACK_COL_MAJOR, 'L', n, work.data(), n,
                                                   diagonal.data(), beside.data(), factors.data())
                                  : Tridiagonalise(n, threads, {}, work.data(), diagonal.data(),
                                                   beside.data(), factors.data());
    benchmark::DoNotOptimize(info);
  }
}
BENCHMARK(Tridiagonal)
    ->ArgsProduct({{1280, 2048}, {0, 1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// So many components of 1,024 rows; by OpenBLAS (1) or not (0).
void Project(benchmark::State& state) {
  constexpr int kRows = 1024;
  constexpr int kCentred = 64;  // rows, which stay in the L2 cache
  UseOneBlasThread();
  const auto k = static_cast<int>(state.range(0));
  const std::vector<float> x = Draw(kRows, kColumns);
  const std::vector<float> weights = Draw(k, kColumns);
  const std::vector<double> components(weights.begin(), weights.end());
  const std::vector<double> mean(kColumns, 0.5);
  std::vector<double> centred(size_t{kCentred} * kColumns);
  std::vector<double> out(static_cast<size_t>(kRows) * k);
  for (auto _ : state) {
    if (state.range(1) == 0) {
      Scores(x.data(), kRows, kColumns, mean.data(), components.data(), k, out.data());
    }
    for (int first = 0; state.range(1) == 1 && first < kRows; first += kCentred) {
      const float* rows = x.data() + int64_t{first} * kColumns;
      for (int i = 0; i < kCentred; ++i) {
        const float* row = rows + int64_t{i} * kColumns;
        double* to = centred.data() + int64_t{i} * kColumns;
        for (int j = 0; j < kColumns; ++j) to[j] = row[j] - mean[j];
      }
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, kCentred, k, kColumns, 1.0,
                  centred.data(), kColumns, components.data(), kColumns, 0.0,
                  out.data() + int64_t{first} * k, k);
    }
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(Project)->ArgsProduct({{6, 50, 400}, {0, 1}})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pomona::reduce
