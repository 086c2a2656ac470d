// Memory of many MB that the machine finds and zeroes in few steps.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace pomona {

// Asks the kernel for pages of 2 MB wherever whole ones lie in [data, data + bytes): 512 times
// fewer faults when it is first written, and fewer misses of the TLB ever after. To be called
// before that; where the kernel has no such pages, nothing happens.
inline void PreferLargePages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t kPage = uintptr_t{1} << 21;
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + kPage - 1) & ~(kPage - 1);
  const uintptr_t last = (begin + bytes) & ~(kPage - 1);
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace pomona
