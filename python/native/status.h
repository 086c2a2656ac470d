// Status -> Python exception, in one place.
#pragma once

#include <utility>

#include "pomona/base/status.h"

namespace pomona::python {

// Throws what Python sees as pomona.UsageError, NothingToRead, Conflict, KeyboardInterrupt
// (Cancelled) or PomonaError, with the status' message. Nothing if `status` is OK. Needs the GIL.
void Check(const Status& status);

// The value, or as Check.
template <typename T>
T Value(Result<T> result) {
  Check(result.status());
  return std::move(result).ValueUnsafe();
}

}  // namespace pomona::python
