// Rows times components.
#pragma once

#include <cstdint>

namespace pomona::reduce {

// out (count x k) = (rows - mean) (count x dimension) times components^T (k x dimension), all
// row-major. BLAS spends more time on copying its operands than on multiplying them by the few
// components that are asked for as a rule: this takes a third of its time for 6 and 1.15 of it for
// 400 (Project in pca_bench). In which order the terms of a number are added depends on the
// dimension and the CPU only.
void Scores(const float* rows, int64_t count, int dimension, const double* mean,
            const double* components, int k, double* out);
void Scores(const double* rows, int64_t count, int dimension, const double* mean,
            const double* components, int k, double* out);

}  // namespace pomona::reduce
