// Any bytes as a tar file: listed, and every member read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "memory_file.h"
#include "pomona/io/tar_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kMostBytes = 1 << 20;
  const std::span<const uint8_t> bytes(data, size);
  const auto source =
      pomona::io::TarSource::Open(std::make_shared<pomona::fuzz::MemoryRange>(bytes), {"folder"});
  if (!source.ok()) return 0;
  const auto listing = (*source)->List({}, {});
  if (!listing.ok()) return 0;
  for (const pomona::io::Entry& entry : listing->entries) {
    const auto content = (*source)->Read(entry, kMostBytes);
    if (content.ok() && static_cast<int64_t>(content.value().size()) != entry.size) std::abort();
  }
  return 0;
}
