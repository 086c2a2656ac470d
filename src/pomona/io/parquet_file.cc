#include "pomona/io/parquet_file.h"

#include <utility>

#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

namespace pomona::io {

Result<std::unique_ptr<parquet::arrow::FileReader>> OpenParquet(
    std::shared_ptr<arrow::io::RandomAccessFile> file, ParquetMemory* memory, ParquetRead how) try {
  parquet::ReaderProperties properties(memory->pool());
  parquet::ArrowReaderProperties arrow_properties;
  if (how == ParquetRead::kBuffered) {
    properties.enable_buffered_stream();
    arrow_properties.set_pre_buffer(false);
  }
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(std::move(file), properties));
  builder.memory_pool(memory->pool())->properties(arrow_properties);
  return builder.Build();
} catch (const parquet::ParquetException& e) {
  return Status::IOError(e.what());
}

}  // namespace pomona::io
