// One Parquet file of a dataset.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/type_fwd.h>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"

namespace pomona::dataset {

// An image's row, but for the feature itself.
struct Row {
  std::string path;  // relative to the source
  std::optional<std::string> label;
  int32_t width = 0;  // pixels, as decoded (EXIF orientation applied)
  int32_t height = 0;
  int64_t bytes = 0;        // of the file
  std::string content;      // XXH3-128 of the file, 32 hex digits
  std::string version;      // io::Entry::version
  std::string damage = {};  // what was wrong with the file, which the recipe's JPEG policy bore
};

// An image without a feature.
struct Rejected {
  std::string path;
  std::optional<std::string> label;
  int64_t bytes = 0;
  std::string version;
  Rejection why;
  int attempt = 0;  // how many earlier runs rejected this very version and were tried again
};

// A part in memory.
struct Part {
  int dimension = 0;
  std::vector<Row> rows;
  std::vector<float> features;  // rows.size() x dimension, row-major
  std::vector<Rejected> rejected;
};

// What a part's footer says besides its rows.
struct PartIdentity {
  std::string key;             // 32 hex digits
  std::string recipe;          // hash, as in the manifest
  std::string model;           // hash, as in the manifest
  std::string precision = {};  // what --precision auto found, JSON as in the manifest; or empty
};

// The Parquet file: same input, same bytes (no clock, host or run id). At most 2^20 rows.
Result<std::shared_ptr<arrow::Buffer>> EncodePart(const Part& part, const PartIdentity& identity);

// The reverse; an error names what is wrong with the file (not Parquet, cut short, wrong columns).
struct DecodedPart {
  Part part;
  PartIdentity identity;
};
Result<DecodedPart> DecodePart(const std::shared_ptr<arrow::Buffer>& file);

// As DecodePart without `features`, which are most of the bytes.
Result<DecodedPart> DecodePartRows(const std::shared_ptr<arrow::Buffer>& file);

// The columns of a part: path, label, features, width, height, bytes, content, version, damage.
std::shared_ptr<arrow::Schema> RowSchema(int dimension);

// The rows of a part as Arrow has them, its features without a copy. A part that was read without
// features gives all columns but that one.
Result<std::shared_ptr<arrow::RecordBatch>> ToRecordBatch(Part part);

// "part-<key>.parquet"
std::string PartName(const std::string& key);

}  // namespace pomona::dataset
