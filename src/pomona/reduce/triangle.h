// Triangular matrices cut into strips. Not a public header.
#pragma once

#include <cmath>

namespace pomona::reduce {

// Where strip `strip` of `strips` begins so that all have about the same share of a triangle of
// `size` rows, each of which has one column less than the one before: a multiple of `even`, or
// `size` for the end of the last. Depends on the arguments only, so that sums by strips have the
// same bits everywhere.
inline int TriangleCut(int size, int strip, int strips, int even) {
  if (strip == strips) return size;
  return static_cast<int>(size * (1 - std::sqrt(1 - double{1} * strip / strips))) / even * even;
}

}  // namespace pomona::reduce
