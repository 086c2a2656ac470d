// Compiled once for every instruction set; Highway chooses at run time.
#include "pomona/reduce/both_ways.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/reduce/both_ways.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pomona::reduce::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<double>;
using V = hn::Vec<D>;

// Four columns at a time, so that y is read and written less often.
HWY_INLINE void FourColumns(int rows, const double* HWY_RESTRICT a, std::ptrdiff_t stride,
                            const double* x, const double* HWY_RESTRICT z, double* HWY_RESTRICT y,
                            double* s) {
  const D d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  const double* a0 = a;
  const double* a1 = a0 + stride;
  const double* a2 = a1 + stride;
  const double* a3 = a2 + stride;
  const V x0 = hn::Set(d, x[0]);
  const V x1 = hn::Set(d, x[1]);
  const V x2 = hn::Set(d, x[2]);
  const V x3 = hn::Set(d, x[3]);
  V s0 = hn::Zero(d);
  V s1 = s0;
  V s2 = s0;
  V s3 = s0;
  int i = 0;
  for (; i + lanes <= rows; i += lanes) {
    const V z_i = hn::LoadU(d, z + i);
    const V c0 = hn::LoadU(d, a0 + i);
    const V c1 = hn::LoadU(d, a1 + i);
    const V c2 = hn::LoadU(d, a2 + i);
    const V c3 = hn::LoadU(d, a3 + i);
    s0 = hn::MulAdd(c0, z_i, s0);
    s1 = hn::MulAdd(c1, z_i, s1);
    s2 = hn::MulAdd(c2, z_i, s2);
    s3 = hn::MulAdd(c3, z_i, s3);
    const V upper = hn::MulAdd(c1, x1, hn::MulAdd(c0, x0, hn::LoadU(d, y + i)));
    hn::StoreU(hn::Add(upper, hn::MulAdd(c3, x3, hn::Mul(c2, x2))), d, y + i);
  }
  s[0] += hn::GetLane(hn::SumOfLanes(d, s0));
  s[1] += hn::GetLane(hn::SumOfLanes(d, s1));
  s[2] += hn::GetLane(hn::SumOfLanes(d, s2));
  s[3] += hn::GetLane(hn::SumOfLanes(d, s3));
  for (; i < rows; ++i) {
    y[i] += (a0[i] * x[0] + a1[i] * x[1]) + (a2[i] * x[2] + a3[i] * x[3]);
    s[0] += a0[i] * z[i];
    s[1] += a1[i] * z[i];
    s[2] += a2[i] * z[i];
    s[3] += a3[i] * z[i];
  }
}

void BothWays(int rows, int columns, const double* a, std::ptrdiff_t stride, const double* x,
              const double* z, double* HWY_RESTRICT y, double* s) {
  int c = 0;
  for (; c + 4 <= columns; c += 4) FourColumns(rows, a + c * stride, stride, x + c, z, y, s + c);
  for (; c < columns; ++c) {
    const double* column = a + c * stride;
    double sum = 0;
    for (int i = 0; i < rows; ++i) {
      y[i] += column[i] * x[c];
      sum += column[i] * z[i];
    }
    s[c] += sum;
  }
}

}  // namespace pomona::reduce::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::reduce {

HWY_EXPORT(BothWays);

void MultiplyBothWays(int rows, int columns, const double* a, std::ptrdiff_t stride,
                      const double* x, const double* z, double* y, double* s) {
  HWY_DYNAMIC_DISPATCH(BothWays)(rows, columns, a, stride, x, z, y, s);
}

}  // namespace pomona::reduce
#endif  // HWY_ONCE
