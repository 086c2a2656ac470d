// Memory of many MB that the machine finds and zeroes in few steps.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace pomona {

// Asks the kernel for pages of 2 MB wherever whole ones lie in [data, data + bytes): 512 times
// fewer faults when it is first written, and fewer misses of the TLB ever after. To be called
// before that; where the kernel has no such pages, nothing happens. For what is read many times:
// on some virtual machines such pages are dearer to get than small ones (docs/architecture.md).
inline void PreferLargePages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr size_t kPage = size_t{1} << 21;
  const size_t before = (kPage - reinterpret_cast<uintptr_t>(data) % kPage) % kPage;
  if (before + kPage > bytes) return;
  madvise(static_cast<char*>(data) + before, (bytes - before) / kPage * kPage, MADV_HUGEPAGE);
#endif
}

}  // namespace pomona
