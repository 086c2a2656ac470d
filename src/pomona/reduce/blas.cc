#include "pomona/reduce/blas.h"

#include <cblas.h>

namespace pomona::reduce {

void UseOneBlasThread() {
  [[maybe_unused]] static const bool once = (openblas_set_num_threads(1), true);
}

}  // namespace pomona::reduce
