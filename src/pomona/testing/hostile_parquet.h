// A Parquet file that claims more than it holds. Not part of the library.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace pomona::testing {

// A valid file whose page at `page` now claims 1.9 GB uncompressed; columns after it are lost. The
// header of a page is in Thrift's compact encoding: 0x15 and a zigzag varint for each of type and
// uncompressed_page_size.
inline std::string WithHugePage(std::string file, size_t page) {
  const auto skip_varint = [&](size_t at) {
    while ((file.at(at) & 0x80) != 0) ++at;
    return at + 1;
  };
  const size_t size = skip_varint(page + 1);
  if (file.at(page) != 0x15 || file.at(size) != 0x15) throw std::runtime_error("no page header");
  std::string huge;
  for (uint64_t zigzag = 2 * uint64_t{1'900'000'000}; zigzag > 0; zigzag >>= 7) {
    huge += static_cast<char>((zigzag & 0x7f) | (zigzag > 0x7f ? 0x80 : 0));
  }
  return file.replace(size + 1, skip_varint(size + 1) - size - 1, huge);
}

}  // namespace pomona::testing
