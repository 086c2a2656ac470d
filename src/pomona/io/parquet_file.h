// Opening Parquet files that nobody vouches for.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>

#include "pomona/base/status.h"

namespace parquet::arrow {
class FileReader;
}

namespace pomona::io {

// Memory for the pages of one file. The header of a page may claim 2 GB, and Arrow believes it;
// here that is OutOfMemory. Must outlive whatever was read.
class ParquetMemory {
 public:
  // What a file of so many bytes may take: photographs do not compress, and a part's row holds 16
  // bytes that are a hash, so no honest file comes near.
  static int64_t Most(int64_t file_bytes) { return (int64_t{256} << 20) + 64 * file_bytes; }

  explicit ParquetMemory(int64_t file_bytes)
      : counted_(arrow::default_memory_pool()), bounded_(&counted_, Most(file_bytes)) {}
  arrow::MemoryPool* pool() { return &bounded_; }

 private:
  arrow::ProxyMemoryPool counted_;  // by itself, unlike the pool of the process
  arrow::CappedMemoryPool bounded_;
};

enum class ParquetRead : uint8_t {
  kWhole,     // a column's pages as they lie in the file: for one that is in memory
  kBuffered,  // piece by piece: a column is not in memory twice
};

// `memory` must outlive the reader.
Result<std::unique_ptr<parquet::arrow::FileReader>> OpenParquet(
    std::shared_ptr<arrow::io::RandomAccessFile> file, ParquetMemory* memory, ParquetRead how);

}  // namespace pomona::io
