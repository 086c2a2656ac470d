#include "pomona/reduce/blas.h"

#include <stdexcept>

#include <cblas.h>

namespace pomona::reduce {
namespace {

bool SetOneThread() {
  if (openblas_get_parallel() == OPENBLAS_SEQUENTIAL) {
    throw std::runtime_error(
        "the OpenBLAS library that was loaded is the one without threads, in which calls of "
        "several threads spoil each other's numbers: install the one with threads (Debian's "
        "libopenblas0-pthread)");
  }
  openblas_set_num_threads(1);
  return true;
}

}  // namespace

void UseOneBlasThread() { [[maybe_unused]] static const bool once = SetOneThread(); }

}  // namespace pomona::reduce
