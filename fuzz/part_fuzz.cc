// Any bytes as one Parquet file of a dataset.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <arrow/buffer.h>

#include "pomona/dataset/part.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pomona::dataset;
  const auto file = std::make_shared<arrow::Buffer>(data, static_cast<int64_t>(size));
  const auto rows = DecodePartRows(file);
  const auto whole = DecodePart(file);
  if (!whole.ok()) return 0;
  const Part& part = whole->part;
  if (!rows.ok() || rows->part.rows.size() != part.rows.size()) std::abort();
  if (part.features.size() != part.rows.size() * static_cast<size_t>(part.dimension)) std::abort();
  return 0;
}
