// Compiled once for every instruction set; Highway chooses at run time.
#include "pomona/reduce/scores.h"

#include <algorithm>

// Vectors of a size that only the machine knows cannot be put into arrays.
#ifndef HWY_DISABLED_TARGETS
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): how Highway is told
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/reduce/scores.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pomona::reduce::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<double, 8>;
using V = hn::Vec<D>;

// Their sums fill the registers of AVX2.
constexpr int kRows = 2;
constexpr int kComponents = 6;
constexpr int64_t kCached = 16;  // rows that stay in the L2 cache from one group to the next

template <typename T>
struct Factors {
  const T* rows;
  int dimension;
  const double* mean;
  const double* components;
  int k;
};

HWY_INLINE V Load(const double* from) { return hn::LoadU(D(), from); }
HWY_INLINE V Load(const float* from) {
  return hn::PromoteTo(D(), hn::LoadU(hn::Rebind<float, D>(), from));
}

// Rows from `row` on, kR, times components from `component` on, kC.
template <int kR, int kC, typename T>
HWY_INLINE void Tile(const Factors<T>& of, int64_t row, int component, double* out) {
  const D d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const T* rows = of.rows + row * of.dimension;
  const double* components = of.components + int64_t{component} * of.dimension;
  V sums[kR][kC];
  for (auto& of_row : sums) std::fill_n(of_row, kC, hn::Zero(d));
  int j = 0;
  for (; j + lanes <= of.dimension; j += lanes) {
    V x[kR];
    const V mean = hn::LoadU(d, of.mean + j);
    for (int r = 0; r < kR; ++r) {
      x[r] = hn::Sub(Load(rows + int64_t{r} * of.dimension + j), mean);
    }
    for (int c = 0; c < kC; ++c) {
      const V weights = hn::LoadU(d, components + int64_t{c} * of.dimension + j);
      for (int r = 0; r < kR; ++r) sums[r][c] = hn::MulAdd(x[r], weights, sums[r][c]);
    }
  }
  for (int r = 0; r < kR; ++r) {
    for (int c = 0; c < kC; ++c) {
      double sum = hn::GetLane(hn::SumOfLanes(d, sums[r][c]));
      for (int i = j; i < of.dimension; ++i) {
        sum += (rows[r * of.dimension + i] - of.mean[i]) * components[c * of.dimension + i];
      }
      out[(row + r) * of.k + component + c] = sum;
    }
  }
}

// Rows from `first` to `last` times up to kC components from `component` on.
template <int kC, typename T>
void Group(const Factors<T>& of, int64_t first, int64_t last, int component, double* out) {
  if constexpr (kC > 1) {
    if (of.k - component < kC) return Group<kC - 1>(of, first, last, component, out);
  }
  int64_t row = first;
  for (; row + kRows <= last; row += kRows) Tile<kRows, kC>(of, row, component, out);
  for (; row < last; ++row) Tile<1, kC>(of, row, component, out);
}

template <typename T>
void All(const Factors<T>& of, int64_t count, double* out) {
  for (int64_t first = 0; first < count; first += kCached) {
    const int64_t last = std::min(count, first + kCached);
    for (int component = 0; component < of.k; component += kComponents) {
      Group<kComponents>(of, first, last, component, out);
    }
  }
}

void OfFloats(const float* rows, int64_t count, int dimension, const double* mean,
              const double* components, int k, double* out) {
  All(Factors<float>{rows, dimension, mean, components, k}, count, out);
}

void OfDoubles(const double* rows, int64_t count, int dimension, const double* mean,
               const double* components, int k, double* out) {
  All(Factors<double>{rows, dimension, mean, components, k}, count, out);
}

}  // namespace pomona::reduce::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::reduce {

HWY_EXPORT(OfFloats);
HWY_EXPORT(OfDoubles);

void Scores(const float* rows, int64_t count, int dimension, const double* mean,
            const double* components, int k, double* out) {
  HWY_DYNAMIC_DISPATCH(OfFloats)(rows, count, dimension, mean, components, k, out);
}

void Scores(const double* rows, int64_t count, int dimension, const double* mean,
            const double* components, int k, double* out) {
  HWY_DYNAMIC_DISPATCH(OfDoubles)(rows, count, dimension, mean, components, k, out);
}

}  // namespace pomona::reduce
#endif  // HWY_ONCE
