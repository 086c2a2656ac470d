#include "pomona/io/parquet_source.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/listing.h"
#include "pomona/io/parquet_file.h"

namespace pomona::io {
namespace {

constexpr char kPathColumn[] = "path";
constexpr char kContentColumn[] = "content";
constexpr char kLengthColumn[] = "length";
constexpr char kTimeColumn[] = "modificationTime";

// A file of the data set, open. Exceptions of the library end here.
class ParquetReader {
 public:
  static Result<ParquetReader> Open(const std::shared_ptr<const RangeFile>& file,
                                    const FileId& id) {
    ParquetReader reader;
    reader.memory_ = std::make_shared<ParquetMemory>(id.size);
    ARROW_ASSIGN_OR_RAISE(reader.reader_, OpenParquet(ArrowFile(file, id), reader.memory_.get(),
                                                      ParquetRead::kBuffered));
    ARROW_RETURN_NOT_OK(reader.reader_->GetSchema(&reader.schema_));
    return reader;
  }

  // Of every table that was read; it must outlive them.
  std::shared_ptr<ParquetMemory> memory() const { return memory_; }

  const arrow::Schema& schema() const { return *schema_; }
  int num_groups() const { return reader_->num_row_groups(); }

  // The named columns of one row group.
  Result<std::shared_ptr<arrow::Table>> Read(int group, const std::vector<std::string>& names) try {
    std::vector<int> indices;
    const auto& leaves = *reader_->parquet_reader()->metadata()->schema();
    for (int i = 0; i < leaves.num_columns(); ++i) {
      const std::string root = leaves.GetColumnRoot(i)->name();
      if (std::find(names.begin(), names.end(), root) != names.end()) indices.push_back(i);
    }
    auto table = reader_->ReadRowGroup(group, indices);
    if (table.status().IsOutOfMemory()) {
      return Status::IOError("its pages claim more bytes than a file of this size can hold");
    }
    return table;
  } catch (const parquet::ParquetException& e) {
    return Status::IOError(e.what());
  }

 private:
  std::shared_ptr<ParquetMemory> memory_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Column `name` of `table` as one array of `type`; null if there is no such column.
Result<std::shared_ptr<arrow::Array>> Column(const arrow::Table& table, const std::string& name,
                                             const std::shared_ptr<arrow::DataType>& type) {
  const auto column = table.GetColumnByName(name);
  if (column == nullptr) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast, arrow::compute::Cast(column, type));
  ARROW_ASSIGN_OR_RAISE(auto array, arrow::Concatenate(cast.chunked_array()->chunks()));
  return array;
}

Status CheckColumns(const arrow::Schema& schema, const std::string& uri) {
  for (const char* name : {kPathColumn, kContentColumn}) {
    const auto field = schema.GetFieldByName(name);
    const bool text = field != nullptr && (arrow::is_base_binary_like(field->type()->id()));
    if (!text) {
      return UsageError("no column '" + std::string(name) + "' of text or bytes in " + Quoted(uri) +
                        ": images in Parquet are columns path and content, as Spark's binaryFile "
                        "format writes them");
    }
  }
  return Status::OK();
}

}  // namespace

// Entry::locator.
struct ParquetSource::Place {
  size_t file = 0;
  int group = 0;
  int64_t row = 0;
  FileId id;

  std::string ToString() const {
    return std::to_string(file) + " " + std::to_string(group) + " " + std::to_string(row) + " " +
           std::to_string(id.size) + " " + id.version;
  }
  static std::optional<Place> Parse(const std::string& locator) {
    Place place;
    int version_at = 0;
    const int n = std::sscanf(locator.c_str(), "%zu %d %ld %ld %n", &place.file, &place.group,
                              &place.row, &place.id.size, &version_at);
    if (n != 4) return std::nullopt;
    place.id.version = locator.substr(static_cast<size_t>(version_at));
    return place;
  }
};

// The images of one row group, once one of them was asked for.
struct ParquetSource::Group {
  std::mutex loading;
  std::shared_ptr<ParquetMemory> memory;
  std::shared_ptr<arrow::ChunkedArray> content;
};

ParquetSource::ParquetSource(std::vector<std::shared_ptr<const RangeFile>> files,
                             const std::string& uri)
    : files_(std::move(files)), uri_(uri) {}

ParquetSource::~ParquetSource() = default;

Result<std::unique_ptr<Source>> ParquetSource::Open(
    std::vector<std::shared_ptr<const RangeFile>> files, const std::string& uri,
    const SourceOptions& options) {
  std::unique_ptr<ParquetSource> source(new ParquetSource(std::move(files), uri));
  const auto& first = source->files_.front();
  ARROW_ASSIGN_OR_RAISE(const FileId id, first->Identify());
  const auto reader = ParquetReader::Open(first, id);
  if (!reader.ok()) return WithContext(reader.status(), "cannot read " + Quoted(first->uri()));
  ARROW_RETURN_NOT_OK(CheckColumns(reader->schema(), uri));
  source->label_rule_ = options.label.empty() ? "folder" : options.label;
  const std::string& label = source->label_rule_;
  if (label != "folder" && label != "none" && reader->schema().GetFieldByName(label) == nullptr) {
    return UsageError("no column " + Quoted(label) + " in " + Quoted(uri));
  }
  return source;
}

std::string ParquetSource::label_rule() const { return label_rule_; }

Result<Listing> ParquetSource::List(const Observer& observer, std::stop_token stop) const {
  ListingBuilder builder(observer, std::move(stop));
  for (size_t i = 0; i < files_.size(); ++i) {
    const Status listed = ListFile(i, &builder);
    if (!listed.ok()) {
      return listed.IsCancelled() ? listed
                                  : WithContext(listed, "cannot list " + Quoted(files_[i]->uri()));
    }
  }
  return builder.Finish(uri_, Duplicates::kFirstWins);
}

Status ParquetSource::ListFile(size_t file, ListingBuilder* out) const {
  ARROW_ASSIGN_OR_RAISE(const FileId id, files_[file]->Identify());
  ARROW_ASSIGN_OR_RAISE(ParquetReader reader, ParquetReader::Open(files_[file], id));
  ARROW_RETURN_NOT_OK(CheckColumns(reader.schema(), files_[file]->uri()));
  const bool labelled = label_rule_ != "folder" && label_rule_ != "none";
  const bool has_length = reader.schema().GetFieldByName(kLengthColumn) != nullptr;
  std::vector<std::string> names = {kPathColumn, kTimeColumn,
                                    has_length ? kLengthColumn : kContentColumn};
  if (labelled) names.push_back(label_rule_);
  for (int group = 0; group < reader.num_groups(); ++group) {
    ARROW_ASSIGN_OR_RAISE(const auto table, reader.Read(group, names));
    ARROW_ASSIGN_OR_RAISE(const auto paths, Column(*table, kPathColumn, arrow::binary()));
    ARROW_ASSIGN_OR_RAISE(const auto lengths, Column(*table, kLengthColumn, arrow::int64()));
    ARROW_ASSIGN_OR_RAISE(const auto contents,
                          Column(*table, kContentColumn, arrow::large_binary()));
    ARROW_ASSIGN_OR_RAISE(const auto times, Column(*table, kTimeColumn,
                                                   arrow::timestamp(arrow::TimeUnit::NANO, "UTC")));
    ARROW_ASSIGN_OR_RAISE(const auto labels,
                          Column(*table, labelled ? label_rule_ : "", arrow::binary()));
    for (int64_t row = 0; row < table->num_rows(); ++row) {
      Entry entry;
      const auto path = static_cast<const arrow::BinaryArray&>(*paths).GetView(row);
      entry.path = ToUtf8(path);
      entry.locator = Place{file, group, row, id}.ToString();
      if (label_rule_ == "folder") entry.label = ParentName(path, std::string(BaseName(uri_)));
      if (labels != nullptr && labels->IsValid(row)) {
        entry.label = ToUtf8(static_cast<const arrow::BinaryArray&>(*labels).GetView(row));
      }
      entry.size = lengths != nullptr
                       ? static_cast<const arrow::Int64Array&>(*lengths).Value(row)
                       : static_cast<const arrow::LargeBinaryArray&>(*contents).value_length(row);
      const bool timed = times != nullptr && times->IsValid(row);
      entry.version =
          timed ? std::to_string(static_cast<const arrow::TimestampArray&>(*times).Value(row))
                : id.version;
      if (paths->IsNull(row) || path.empty()) {
        entry.rejected = Rejection{Reason::kMissing, "its row names no file", std::nullopt};
      }
      ARROW_RETURN_NOT_OK(out->Add(std::move(entry)));
    }
  }
  return Status::OK();
}

std::shared_ptr<ParquetSource::Group> ParquetSource::FindGroup(const GroupKey& key) const {
  const std::lock_guard lock(mutex_);
  auto& group = groups_[key];
  if (group == nullptr) group = std::make_shared<Group>();
  return group;
}

// Lets go of the row groups that were loaded first; who reads in one still has it.
void ParquetSource::Account(const GroupKey& key, int64_t bytes) const {
  const std::lock_guard lock(mutex_);
  loaded_.emplace_back(key, bytes);
  cached_bytes_ += bytes;
  while (cached_bytes_ > kCacheBytes && loaded_.size() > 1) {
    groups_.erase(loaded_.front().first);
    cached_bytes_ -= loaded_.front().second;
    loaded_.pop_front();
  }
}

Status ParquetSource::Load(const Place& place, Group* group) const {
  const std::lock_guard lock(group->loading);
  if (group->content != nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(ParquetReader reader, ParquetReader::Open(files_[place.file], place.id));
  ARROW_ASSIGN_OR_RAISE(const auto table, reader.Read(place.group, {kContentColumn}));
  ARROW_ASSIGN_OR_RAISE(
      const arrow::Datum content,
      arrow::compute::Cast(table->GetColumnByName(kContentColumn), arrow::large_binary()));
  group->memory = reader.memory();
  group->content = content.chunked_array();
  int64_t bytes = 0;
  for (const auto& chunk : group->content->chunks()) {
    bytes += static_cast<const arrow::LargeBinaryArray&>(*chunk).total_values_length();
  }
  Account({place.file, place.group}, bytes);
  return Status::OK();
}

Result<Outcome<std::vector<uint8_t>>> ParquetSource::Read(const Entry& entry, int64_t max_bytes,
                                                          std::stop_token stop) const {
  using Bytes = Outcome<std::vector<uint8_t>>;
  if (entry.rejected) return Bytes(*entry.rejected);
  if (entry.size > max_bytes) return Bytes(TooLarge(entry.size, max_bytes));
  if (stop.stop_requested()) return Interrupted("stopped while reading");
  const std::optional<Place> place = Place::Parse(entry.locator);
  const Rejection changed{Reason::kChanged, "the file it is in changed after it was listed", {}};
  if (!place || place->file >= files_.size()) return Bytes(changed);
  const auto group = FindGroup({place->file, place->group});
  const Status loaded = Load(*place, group.get());
  if (!loaded.ok()) {
    const auto now = files_[place->file]->Identify();
    if (now.ok() && *now != place->id) return Bytes(changed);
    if (remote()) return loaded;
    return Bytes(Rejection{Reason::kUnreadable, loaded.message(), std::nullopt});
  }
  int64_t row = place->row;
  for (const auto& chunk : group->content->chunks()) {
    if (row < chunk->length()) {
      const auto& array = static_cast<const arrow::LargeBinaryArray&>(*chunk);
      if (array.IsNull(row)) {
        return Bytes(Rejection{Reason::kMissing, "its row holds no bytes", std::nullopt});
      }
      const std::string_view bytes = array.GetView(row);
      if (static_cast<int64_t>(bytes.size()) > max_bytes) {
        return Bytes(TooLarge(static_cast<int64_t>(bytes.size()), max_bytes));
      }
      return Bytes(std::vector<uint8_t>(bytes.begin(), bytes.end()));
    }
    row -= chunk->length();
  }
  return Bytes(changed);
}

}  // namespace pomona::io
