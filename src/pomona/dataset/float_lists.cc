#include "pomona/dataset/float_lists.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

#include <parquet/column_reader.h>
#include <parquet/schema.h>

namespace pomona::dataset {
namespace {

// Numbers read at once: they and their levels stay in the cache.
constexpr int64_t kBatch = 1 << 13;
// Numbers that memory is taken for because a footer, which may say anything, tells of them: parts
// of 1,024 images have fewer. More take memory as they come.
constexpr size_t kMostReserved = size_t{1} << 24;

// The leaf below the column `name` if there is one only.
Result<int> LeafOf(const parquet::SchemaDescriptor& schema, const std::string& name) {
  int leaf = -1;
  for (int i = 0; i < schema.num_columns(); ++i) {
    if (schema.GetColumnRoot(i)->name() != name) continue;
    if (leaf >= 0) return Status::Invalid("its column '", name, "' holds more than one number");
    leaf = i;
  }
  if (leaf < 0) return Status::Invalid("it has no column '", name, "'");
  return leaf;
}

// Collects one column, list by list. Levels are those of the Dremel encoding that Parquet uses: a
// repetition level of 0 begins a row, a definition level below the greatest is a null or an empty
// list.
class FloatLists {
 public:
  FloatLists(const parquet::ColumnDescriptor& column, int size, int64_t rows)
      : column_(column), size_(size) {
    values_.reserve(std::min(static_cast<size_t>(rows) * static_cast<size_t>(size), kMostReserved));
  }

  Status Read(parquet::FloatReader* reader) {
    while (reader->HasNext()) {
      int64_t count = 0;
      const int64_t levels =
          reader->ReadBatch(kBatch, defined_.data(), repeated_.data(), batch_.data(), &count);
      if (levels == 0 || count != levels || !AreWhole(levels)) return NotLists();
      values_.insert(values_.end(), batch_.begin(), batch_.begin() + count);
    }
    return Status::OK();
  }

  Result<std::vector<float>> Finish(int64_t rows) {
    if (values_.size() != static_cast<size_t>(rows) * size_) return NotLists();
    return std::move(values_);
  }

 private:
  Status NotLists() const {
    return Status::Invalid("its column '", column_.path()->ToDotVector().front(),
                           "' does not hold a list of ", size_, " float32 in every row");
  }

  // Whether the levels of the numbers that follow values_ are those of full lists.
  bool AreWhole(int64_t levels) {
    const auto n = static_cast<size_t>(levels);
    const auto place = static_cast<int64_t>(values_.size() % size_);
    const int whole = column_.max_definition_level();
    int wrong = 0;
    for (size_t i = 0; i < n; ++i) wrong |= (defined_[i] ^ whole) | (repeated_[i] & ~1);
    int64_t starts = 0;
    for (size_t i = 0; i < n; ++i) starts += repeated_[i] == 0 ? 1 : 0;
    int64_t wanted = 0;
    for (int64_t i = (size_ - place) % size_; i < levels; i += size_, ++wanted) {
      wrong |= repeated_[i];
    }
    return wrong == 0 && starts == wanted;
  }

  const parquet::ColumnDescriptor& column_;
  int64_t size_;
  std::vector<int16_t> defined_ = std::vector<int16_t>(kBatch);
  std::vector<int16_t> repeated_ = std::vector<int16_t>(kBatch);
  std::vector<float> batch_ = std::vector<float>(kBatch);
  std::vector<float> values_;
};

Result<std::vector<float>> ReadOrThrow(parquet::ParquetFileReader* file, const std::string& name,
                                       int size) {
  const auto& metadata = *file->metadata();
  ARROW_ASSIGN_OR_RAISE(const int leaf, LeafOf(*metadata.schema(), name));
  const parquet::ColumnDescriptor& column = *metadata.schema()->Column(leaf);
  if (size < 1 || column.physical_type() != parquet::Type::FLOAT ||
      column.max_repetition_level() != 1) {
    return Status::Invalid("its column '", name, "' holds no lists of float32");
  }
  FloatLists lists(column, size, metadata.num_rows());
  for (int group = 0; group < metadata.num_row_groups(); ++group) {
    const auto reader = file->RowGroup(group)->Column(leaf);
    ARROW_RETURN_NOT_OK(lists.Read(static_cast<parquet::FloatReader*>(reader.get())));
  }
  return lists.Finish(metadata.num_rows());
}

}  // namespace

Result<std::vector<float>> ReadFloatLists(parquet::ParquetFileReader* file, const std::string& name,
                                          int size) {
  try {
    return ReadOrThrow(file, name, size);
  } catch (const std::exception& e) {  // Parquet's own errors, and what memory runs out of
    return Status::Invalid(e.what());
  }
}

}  // namespace pomona::dataset
