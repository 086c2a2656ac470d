#include "pomona/io/csv_source.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <arrow/array.h>
#include <arrow/csv/api.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/listing.h"
#include "pomona/io/local_image.h"

namespace pomona::io {
namespace {

constexpr char kPathColumn[] = "path";
constexpr char kLabelColumn[] = "label";
constexpr int32_t kBlockBytes = 4 << 20;  // no row may be longer
constexpr size_t kShownBytes = 80;        // of a broken row

// A row with too few or too many cells, as Arrow came across it.
struct BrokenRow {
  int64_t number = 0;
  int32_t expected = 0;
  int32_t actual = 0;
  std::string text;
};

Status Explain(const Status& error, const BrokenRow& broken, const std::string& path) {
  if (broken.number != 0) {
    return Status::Invalid("row ", broken.number, " of ", Quoted(path), " has ", broken.actual,
                           broken.actual == 1 ? " cell" : " cells", " where the header has ",
                           broken.expected, ": ", Quoted(broken.text),
                           " (the header is row 1, blank lines do not count; a comma or a quote "
                           "inside a cell needs the cell in quotes)");
  }
  if (error.message().find("Empty CSV file") != std::string::npos) {
    return NothingToRead(Quoted(path) + " has no rows: a manifest is a header row with a column '" +
                         kPathColumn + "', then a row an image");
  }
  return WithContext(error, "cannot read the manifest " + Quoted(path));
}

// A manifest being read, with only `columns` (all if empty) converted.
class ManifestReader {
 public:
  static Result<std::unique_ptr<ManifestReader>> Open(const std::shared_ptr<const RangeFile>& file,
                                                      const std::vector<std::string>& columns) {
    const std::string& path = file->uri();
    std::unique_ptr<ManifestReader> self(new ManifestReader(path));
    ARROW_ASSIGN_OR_RAISE(const FileId id, file->Identify());
    auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(),
                                                    ArrowFile(file, id), ReadOptions(),
                                                    self->ParseOptions(), ConvertOptions(columns));
    if (!reader.ok()) return Explain(reader.status(), *self->broken_, path);
    self->reader_ = *std::move(reader);
    return self;
  }

  std::vector<std::string> columns() const { return reader_->schema()->field_names(); }

  // Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> Next() {
    std::shared_ptr<arrow::RecordBatch> batch;
    const Status status = reader_->ReadNext(&batch);
    if (!status.ok()) return Explain(status, *broken_, path_);
    return batch;
  }

 private:
  explicit ManifestReader(const std::string& path) : path_(path) {}

  static arrow::csv::ReadOptions ReadOptions() {
    auto options = arrow::csv::ReadOptions::Defaults();
    options.use_threads = false;  // so that rows have numbers
    options.block_size = kBlockBytes;
    return options;
  }

  arrow::csv::ParseOptions ParseOptions() {
    auto options = arrow::csv::ParseOptions::Defaults();
    options.newlines_in_values = true;
    options.invalid_row_handler = [broken = broken_](const arrow::csv::InvalidRow& row) {
      const std::string text(row.text.substr(0, kShownBytes));
      *broken = {row.number, row.expected_columns, row.actual_columns,
                 row.text.size() > kShownBytes ? text + "..." : text};
      return arrow::csv::InvalidRowResult::Error;
    };
    return options;
  }

  // Binary, because cells hold file names, which need not be UTF-8; nothing counts as null.
  static arrow::csv::ConvertOptions ConvertOptions(const std::vector<std::string>& columns) {
    auto options = arrow::csv::ConvertOptions::Defaults();
    options.default_column_type = arrow::binary();
    options.include_columns = columns;
    return options;
  }

  std::string path_;
  std::shared_ptr<BrokenRow> broken_ = std::make_shared<BrokenRow>();  // Arrow's copies share it
  std::shared_ptr<arrow::csv::StreamingReader> reader_;
};

std::string ListColumns(const std::vector<std::string>& columns) {
  std::string out;
  for (const std::string& column : columns) out += (out.empty() ? "" : ", ") + Quoted(column);
  return out;
}

// UsageError unless exactly one column has this name.
Status CheckColumn(const std::vector<std::string>& columns, const std::string& name,
                   const std::string& path) {
  const auto n = std::count(columns.begin(), columns.end(), name);
  if (n == 1) return Status::OK();
  return UsageError((n == 0 ? "no column " : "more than one column ") + Quoted(name) + " in " +
                    Quoted(path) + ", whose columns are " + ListColumns(columns) +
                    " (cells are separated by commas)");
}

}  // namespace

Status CsvSource::ChooseLabels(const std::vector<std::string>& columns, const std::string& asked) {
  if (asked == "none") return Status::OK();
  if (asked == "folder") {
    labels_ = Labels::kFolder;
    return Status::OK();
  }
  const bool has_default = std::count(columns.begin(), columns.end(), kLabelColumn) > 0;
  if (asked.empty() && !has_default) return Status::OK();
  labels_ = Labels::kColumn;
  label_column_ = asked.empty() ? kLabelColumn : asked;
  return CheckColumn(columns, label_column_, uri());
}

Result<std::unique_ptr<Source>> CsvSource::Open(const std::string& path,
                                                const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto file, RangeFile::Open(path));
  auto objects = std::make_unique<NamedObjects>(nullptr, "", options.bucket);
  return Finish(std::unique_ptr<CsvSource>(new CsvSource(
                    std::move(file), path.substr(0, path.rfind('/') + 1), std::move(objects))),
                options);
}

Result<std::unique_ptr<Source>> CsvSource::Open(std::shared_ptr<const Bucket> bucket,
                                                const std::string& key,
                                                const SourceOptions& options) {
  auto file = RangeFile::Of(bucket, key);
  const std::string folder = key.substr(0, key.rfind('/') + 1);
  auto objects = std::make_unique<NamedObjects>(std::move(bucket), folder, options.bucket);
  return Finish(
      std::unique_ptr<CsvSource>(new CsvSource(std::move(file), folder, std::move(objects))),
      options);
}

Result<std::unique_ptr<Source>> CsvSource::Finish(std::unique_ptr<CsvSource> source,
                                                  const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, ManifestReader::Open(source->file_, {}));
  const std::vector<std::string> columns = reader->columns();
  ARROW_RETURN_NOT_OK(CheckColumn(columns, kPathColumn, source->uri()));
  ARROW_RETURN_NOT_OK(source->ChooseLabels(columns, options.label));
  return source;
}

std::string CsvSource::label_rule() const {
  switch (labels_) {
    case Labels::kFolder:
      return "folder";
    case Labels::kColumn:
      return label_column_;
    case Labels::kNone:
      return "none";
  }
  return "none";
}

Entry CsvSource::MakeEntry(int folder_fd, std::string_view path_cell,
                           std::string_view label_cell) const {
  Entry entry;
  entry.locator = path_cell;
  entry.path = ToUtf8(path_cell);
  if (labels_ == Labels::kColumn && !label_cell.empty()) entry.label = ToUtf8(label_cell);
  if (labels_ == Labels::kFolder) {
    entry.label = ParentName(path_cell, ParentName(folder_, ToUtf8(folder_)));
  }
  if (path_cell.empty()) {
    entry.rejected = Rejection{Reason::kMissing, "its row in the manifest names no file", {}};
  } else if (objects_->Names(entry.locator)) {
    remote_ = true;  // List inspects them all at once
  } else {
    InspectFile(folder_fd, entry.locator, &entry);
  }
  return entry;
}

Result<Listing> CsvSource::List(const Observer& observer, std::stop_token stop) const {
  std::vector<std::string> columns = {kPathColumn};
  if (labels_ == Labels::kColumn) columns.push_back(label_column_);
  ARROW_ASSIGN_OR_RAISE(const auto reader, ManifestReader::Open(file_, columns));
  Fd folder;
  if (!file_->remote()) {
    folder = Fd(open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.ok()) {
      return Status::IOError("cannot open the folder of ", Quoted(uri()), ": ", ErrnoText(errno));
    }
  }
  remote_ = false;
  ListingBuilder builder(observer, stop);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, reader->Next());
    if (batch == nullptr) break;
    const auto& paths = static_cast<const arrow::BinaryArray&>(*batch->column(0));
    const auto& labels =
        static_cast<const arrow::BinaryArray&>(*batch->column(batch->num_columns() - 1));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      ARROW_RETURN_NOT_OK(
          builder.Add(MakeEntry(folder.get(), paths.GetView(i), labels.GetView(i))));
    }
  }
  ARROW_RETURN_NOT_OK(objects_->Inspect(&builder.entries(), stop));
  return builder.Finish(uri(), Duplicates::kFirstWins);
}

Result<Outcome<std::vector<uint8_t>>> CsvSource::Read(const Entry& entry, int64_t max_bytes,
                                                      std::stop_token stop) const {
  if (!entry.rejected && objects_->Names(entry.locator)) {
    if (entry.size > max_bytes)
      return Outcome<std::vector<uint8_t>>(TooLarge(entry.size, max_bytes));
    return objects_->Read(entry, std::move(stop));
  }
  const bool absolute = entry.locator.starts_with('/');
  return ReadFile(absolute ? entry.locator : folder_ + entry.locator, entry, max_bytes);
}

}  // namespace pomona::io
