#include "pomona/reduce/blas.h"

#include <stdexcept>

#include <cblas.h>

// OpenBLAS's own, which it calls before a fork; no header has it.
extern "C" int blas_thread_shutdown_() __attribute__((weak));

namespace pomona::reduce {
namespace {

bool SetOneThread() {
  if (openblas_get_parallel() != OPENBLAS_THREAD) {
    throw std::runtime_error(
        "the OpenBLAS library that was loaded is not the one with threads of its own, and in the "
        "others calls of several threads spoil each other's numbers or their order: install that "
        "one (Debian's libopenblas0-pthread)");
  }
  openblas_set_num_threads(1);
  return true;
}

}  // namespace

void UseOneBlasThread() { [[maybe_unused]] static const bool once = SetOneThread(); }

void EndIdleBlasThreads() {
  if (blas_thread_shutdown_ != nullptr) blas_thread_shutdown_();
}

}  // namespace pomona::reduce
