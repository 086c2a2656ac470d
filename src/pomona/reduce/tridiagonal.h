// A symmetric matrix made tridiagonal, on several threads. Not a public header.
#pragma once

#include <stop_token>

namespace pomona::reduce {

// As LAPACK's dsytrd for the lower triangle of the n x n column-major `matrix`: T = Q^T A Q with
// `diagonal` and `beside` (n - 1), the reflectors that make Q in place of A, and their `factors`.
// The same bits for any number of threads. LAPACK's info. Ends soon, with nothing of use, once it
// is asked to stop.
int Tridiagonalise(int n, int threads, const std::stop_token& stop, double* matrix,
                   double* diagonal, double* beside, double* factors);

}  // namespace pomona::reduce
