#include "pomona/reduce/blas.h"

#include <stdexcept>

#include <cblas.h>

// OpenBLAS's own, which it calls before a fork; no header has it.
extern "C" int blas_thread_shutdown_() __attribute__((weak));

namespace pomona::reduce {
namespace {

// Whether this is the OpenBLAS with threads of its own. If so, it has been told to use one: once,
// for to be told starts its idle threads again.
bool UsesOneThread() {
  static const bool right = [] {
    const bool has_threads = openblas_get_parallel() == OPENBLAS_THREAD;
    if (has_threads) openblas_set_num_threads(1);
    return has_threads;
  }();
  return right;
}

}  // namespace

void UseOneBlasThread() {
  if (UsesOneThread()) return;
  throw std::runtime_error(
      "the OpenBLAS library that was loaded is not the one with threads of its own, and in the "
      "others calls of several threads spoil each other's numbers or their order: install that "
      "one (Debian's libopenblas0-pthread)");
}

void EndIdleBlasThreads() {
  if (UsesOneThread() && blas_thread_shutdown_ != nullptr) blas_thread_shutdown_();
}

}  // namespace pomona::reduce
