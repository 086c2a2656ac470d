// A product of a matrix and a vector from either side.
#pragma once

#include <cstddef>

namespace pomona::reduce {

// y += A x and s += A^T z for the rows x columns matrix A (column-major, `stride` numbers from
// column to column), which is read once for both. In which order terms are added depends on the
// sizes and the CPU only.
void MultiplyBothWays(int rows, int columns, const double* a, std::ptrdiff_t stride,
                      const double* x, const double* z, double* y, double* s);

}  // namespace pomona::reduce
