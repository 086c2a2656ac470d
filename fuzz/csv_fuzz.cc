// Any bytes as a CSV manifest. The files that it names are looked for, not read.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memory_file.h"
#include "pomona/io/csv_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pomona::io::CsvSource;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find("://") != std::string_view::npos) return 0;  // would ask a store
  const pomona::fuzz::MemoryFile file({data, size});
  for (const char* label : {"", "folder", "none", "class"}) {
    const auto source = CsvSource::Open(file.path(), {label});
    if (source.ok()) (void)(*source)->List({}, {});
  }
  return 0;
}
