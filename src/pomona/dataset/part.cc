#include "pomona/dataset/part.h"

#include <utility>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>
#include <nlohmann/json.hpp>

#include "pomona/base/text.h"
#include "pomona/dataset/float_lists.h"
#include "pomona/dataset/json_integer.h"
#include "pomona/io/parquet_file.h"

namespace pomona::dataset {
namespace {

using nlohmann::json;

constexpr char kKey[] = "pomona.part";
constexpr char kRecipe[] = "pomona.recipe";
constexpr char kModel[] = "pomona.model";
constexpr char kPrecision[] = "pomona.precision";
constexpr int kFeatures = 2;  // column of RowSchema
constexpr char kRejectedRows[] = "pomona.rejected";

json ToJson(const Rejected& rejected) {
  json j = {{"path", rejected.path},
            {"bytes", rejected.bytes},
            {"version", rejected.version},
            {"reason", ReasonName(rejected.why.reason)},
            {"detail", ToUtf8(rejected.why.detail)},
            {"attempt", rejected.attempt}};
  if (rejected.label) j["label"] = *rejected.label;
  if (rejected.why.pixels > 0) j["pixels_needed"] = rejected.why.pixels;
  if (rejected.why.bytes > 0) j["bytes_needed"] = rejected.why.bytes;
  if (rejected.why.byte_offset) j["byte_offset"] = *rejected.why.byte_offset;
  return j;
}

Result<Rejected> RejectedFromJson(const json& j) {
  Rejected out;
  out.path = j.at("path").get<std::string>();
  out.bytes = JsonInteger(j.at("bytes"));
  out.version = j.at("version").get<std::string>();
  out.attempt = static_cast<int>(JsonInteger(j.at("attempt")));
  if (j.contains("label")) out.label = j.at("label").get<std::string>();
  ARROW_ASSIGN_OR_RAISE(out.why.reason, ParseReason(j.at("reason").get<std::string>()));
  out.why.detail = j.at("detail").get<std::string>();
  if (j.contains("pixels_needed")) out.why.pixels = JsonInteger(j.at("pixels_needed"));
  if (j.contains("bytes_needed")) out.why.bytes = JsonInteger(j.at("bytes_needed"));
  if (j.contains("byte_offset")) out.why.byte_offset = JsonInteger(j.at("byte_offset"));
  return out;
}

std::string RejectedToText(const std::vector<Rejected>& rejected) {
  json rows = json::array();
  for (const Rejected& r : rejected) rows.push_back(ToJson(r));
  return rows.dump();
}

Result<std::vector<Rejected>> ParseRejected(const std::string& text) {
  std::vector<Rejected> out;
  try {
    for (const json& j : json::parse(text)) {
      ARROW_ASSIGN_OR_RAISE(Rejected rejected, RejectedFromJson(j));
      out.push_back(std::move(rejected));
    }
  } catch (const json::exception& e) {
    return Status::Invalid("its footer entry ", kRejectedRows, " is damaged: ", e.what());
  }
  return out;
}

// One column from one member of each row.
template <typename Builder, typename Get>
Result<std::shared_ptr<arrow::Array>> Column(const std::vector<Row>& rows, Get get) {
  Builder builder;
  for (const Row& row : rows) ARROW_RETURN_NOT_OK(builder.Append(get(row)));
  return builder.Finish();
}

// Of texts that not every row has; `get` gives a pointer to it or null.
template <typename Get>
Result<std::shared_ptr<arrow::Array>> NullableColumn(const std::vector<Row>& rows, Get get) {
  arrow::StringBuilder builder;
  for (const Row& row : rows) {
    const std::string* text = get(row);
    ARROW_RETURN_NOT_OK(text != nullptr ? builder.Append(*text) : builder.AppendNull());
  }
  return builder.Finish();
}

// Those of RowSchema but for the features.
Result<arrow::ArrayVector> RowColumns(const std::vector<Row>& rows) {
  ARROW_ASSIGN_OR_RAISE(auto path,
                        (Column<arrow::StringBuilder>(rows, [](const Row& r) { return r.path; })));
  ARROW_ASSIGN_OR_RAISE(
      auto label, NullableColumn(rows, [](const Row& r) { return r.label ? &*r.label : nullptr; }));
  ARROW_ASSIGN_OR_RAISE(auto damage, NullableColumn(rows, [](const Row& r) {
                          return r.damage.empty() ? nullptr : &r.damage;
                        }));
  ARROW_ASSIGN_OR_RAISE(auto width,
                        (Column<arrow::Int32Builder>(rows, [](const Row& r) { return r.width; })));
  ARROW_ASSIGN_OR_RAISE(auto height,
                        (Column<arrow::Int32Builder>(rows, [](const Row& r) { return r.height; })));
  ARROW_ASSIGN_OR_RAISE(auto bytes,
                        (Column<arrow::Int64Builder>(rows, [](const Row& r) { return r.bytes; })));
  ARROW_ASSIGN_OR_RAISE(
      auto content, (Column<arrow::StringBuilder>(rows, [](const Row& r) { return r.content; })));
  ARROW_ASSIGN_OR_RAISE(
      auto version, (Column<arrow::StringBuilder>(rows, [](const Row& r) { return r.version; })));
  return arrow::ArrayVector{path, label, width, height, bytes, content, version, damage};
}

std::shared_ptr<arrow::Array> FeatureColumn(const std::shared_ptr<arrow::Buffer>& features,
                                            int64_t rows, int dimension) {
  const auto numbers = std::make_shared<arrow::FloatArray>(rows * dimension, features);
  return std::make_shared<arrow::FixedSizeListArray>(RowSchema(dimension)->field(kFeatures)->type(),
                                                     rows, numbers);
}

Result<std::shared_ptr<arrow::Table>> ToTable(const Part& part, const PartIdentity& identity) {
  const auto rows = static_cast<int64_t>(part.rows.size());
  ARROW_ASSIGN_OR_RAISE(auto columns, RowColumns(part.rows));
  // The floats as they lie in memory, without a copy.
  const auto features = arrow::Buffer::Wrap(part.features.data(), part.features.size());
  columns.insert(columns.begin() + kFeatures, FeatureColumn(features, rows, part.dimension));
  const auto metadata = arrow::key_value_metadata({{kKey, identity.key},
                                                   {kRecipe, identity.recipe},
                                                   {kModel, identity.model},
                                                   {kRejectedRows, RejectedToText(part.rejected)}});
  if (!identity.precision.empty()) metadata->Append(kPrecision, identity.precision);
  return arrow::Table::Make(RowSchema(part.dimension)->WithMetadata(metadata), std::move(columns),
                            rows);
}

std::shared_ptr<parquet::WriterProperties> WriterOptions() {
  // Byte-stream-split puts the bytes of equal weight of all floats side by side, which is what
  // makes zstd find anything in them; a dictionary never helps floats.
  const std::string features = "features.list.element";
  return parquet::WriterProperties::Builder()
      .compression(parquet::Compression::ZSTD)
      ->disable_dictionary(features)
      ->encoding(features, parquet::Encoding::BYTE_STREAM_SPLIT)
      ->build();
}

Result<std::string> FooterEntry(const arrow::KeyValueMetadata& metadata, const char* key) {
  auto value = metadata.Get(key);
  if (!value.ok()) return Status::Invalid("its footer has no entry ", key);
  return value;
}

template <typename ArrayType>
Result<std::shared_ptr<ArrayType>> TypedColumn(const arrow::Table& table, const char* name,
                                               const std::shared_ptr<arrow::DataType>& type) {
  const auto column = table.GetColumnByName(name);
  if (column == nullptr) return Status::Invalid("it has no column '", name, "'");
  if (!column->type()->Equals(type)) {
    return Status::Invalid("its column '", name, "' is ", column->type()->ToString(), ", not ",
                           type->ToString());
  }
  ARROW_ASSIGN_OR_RAISE(auto array, column->num_chunks() == 0
                                        ? arrow::MakeEmptyArray(type)
                                        : arrow::Concatenate(column->chunks()));
  return std::static_pointer_cast<ArrayType>(array);
}

Result<std::vector<Row>> RowsOf(const arrow::Table& table) {
  using arrow::StringArray;
  ARROW_ASSIGN_OR_RAISE(auto path, TypedColumn<StringArray>(table, "path", arrow::utf8()));
  ARROW_ASSIGN_OR_RAISE(auto label, TypedColumn<StringArray>(table, "label", arrow::utf8()));
  ARROW_ASSIGN_OR_RAISE(auto width, TypedColumn<arrow::Int32Array>(table, "width", arrow::int32()));
  ARROW_ASSIGN_OR_RAISE(auto height,
                        TypedColumn<arrow::Int32Array>(table, "height", arrow::int32()));
  ARROW_ASSIGN_OR_RAISE(auto bytes, TypedColumn<arrow::Int64Array>(table, "bytes", arrow::int64()));
  ARROW_ASSIGN_OR_RAISE(auto content, TypedColumn<StringArray>(table, "content", arrow::utf8()));
  ARROW_ASSIGN_OR_RAISE(auto version, TypedColumn<StringArray>(table, "version", arrow::utf8()));
  ARROW_ASSIGN_OR_RAISE(auto damage, TypedColumn<StringArray>(table, "damage", arrow::utf8()));
  std::vector<Row> rows(static_cast<size_t>(table.num_rows()));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    Row& row = rows[i];
    row.path = path->GetString(at);
    if (!label->IsNull(at)) row.label = label->GetString(at);
    row.width = width->Value(at);
    row.height = height->Value(at);
    row.bytes = bytes->Value(at);
    row.content = content->GetString(at);
    row.version = version->GetString(at);
    if (!damage->IsNull(at)) row.damage = damage->GetString(at);
  }
  return rows;
}

Result<int> DimensionOf(const arrow::Schema& schema) {
  const auto field = schema.GetFieldByName("features");
  if (field == nullptr || field->type()->id() != arrow::Type::FIXED_SIZE_LIST) {
    return Status::Invalid("it has no column 'features' of fixed-size lists");
  }
  const auto& list = static_cast<const arrow::FixedSizeListType&>(*field->type());
  if (list.value_type()->id() != arrow::Type::FLOAT) {
    return Status::Invalid("its column 'features' holds ", list.value_type()->ToString(),
                           ", not float32");
  }
  return list.list_size();
}

Result<DecodedPart> Decode(const std::shared_ptr<arrow::Buffer>& file, bool with_features) {
  io::ParquetMemory memory(file->size());
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        io::OpenParquet(std::make_shared<arrow::io::BufferReader>(file), &memory,
                                        io::ParquetRead::kWhole));
  std::shared_ptr<arrow::Schema> schema;
  ARROW_RETURN_NOT_OK(reader->GetSchema(&schema));
  if (schema->metadata() == nullptr) return Status::Invalid("it is not a part: no footer entries");

  std::vector<int> columns;  // Parquet leaves; `features` has one, as every column here
  for (int i = 0; i < schema->num_fields(); ++i) {
    if (schema->field(i)->name() != "features") columns.push_back(i);
  }
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ReadTable(columns));

  DecodedPart out;
  ARROW_ASSIGN_OR_RAISE(out.identity.key, FooterEntry(*schema->metadata(), kKey));
  ARROW_ASSIGN_OR_RAISE(out.identity.recipe, FooterEntry(*schema->metadata(), kRecipe));
  ARROW_ASSIGN_OR_RAISE(out.identity.model, FooterEntry(*schema->metadata(), kModel));
  out.identity.precision = schema->metadata()->Get(kPrecision).ValueOr("");
  ARROW_ASSIGN_OR_RAISE(const std::string rejected,
                        FooterEntry(*schema->metadata(), kRejectedRows));
  ARROW_ASSIGN_OR_RAISE(out.part.rejected, ParseRejected(rejected));
  ARROW_ASSIGN_OR_RAISE(out.part.rows, RowsOf(*table));
  ARROW_ASSIGN_OR_RAISE(out.part.dimension, DimensionOf(*schema));
  if (with_features) {
    ARROW_ASSIGN_OR_RAISE(out.part.features,
                          ReadFloatLists(reader->parquet_reader(), "features", out.part.dimension));
  }
  return out;
}

}  // namespace

std::shared_ptr<arrow::Schema> RowSchema(int dimension) {
  using arrow::field;
  const auto item = field("item", arrow::float32(), /*nullable=*/false);
  return arrow::schema(
      {field("path", arrow::utf8(), false), field("label", arrow::utf8()),
       field("features", arrow::fixed_size_list(item, dimension), false),
       field("width", arrow::int32(), false), field("height", arrow::int32(), false),
       field("bytes", arrow::int64(), false), field("content", arrow::utf8(), false),
       field("version", arrow::utf8(), false), field("damage", arrow::utf8())});
}

Result<std::shared_ptr<arrow::RecordBatch>> ToRecordBatch(Part part) {
  const auto rows = static_cast<int64_t>(part.rows.size());
  ARROW_ASSIGN_OR_RAISE(auto columns, RowColumns(part.rows));
  auto schema = RowSchema(part.dimension);
  if (part.features.empty() && rows > 0) {
    ARROW_ASSIGN_OR_RAISE(schema, schema->RemoveField(kFeatures));
  } else {
    const auto features = arrow::Buffer::FromVector(std::move(part.features));
    columns.insert(columns.begin() + kFeatures, FeatureColumn(features, rows, part.dimension));
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(columns));
}

Result<std::shared_ptr<arrow::Buffer>> EncodePart(const Part& part, const PartIdentity& identity) {
  if (part.features.size() != part.rows.size() * static_cast<size_t>(part.dimension)) {
    return Status::Invalid("a part of ", part.rows.size(), " rows needs ", part.dimension,
                           " numbers a row, not ", part.features.size(), " in all");
  }
  ARROW_ASSIGN_OR_RAISE(auto table, ToTable(part, identity));
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  const auto arrow_options = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  ARROW_RETURN_NOT_OK(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink,
                                                 1 << 20, WriterOptions(), arrow_options));
  return sink->Finish();
}

Result<DecodedPart> DecodePart(const std::shared_ptr<arrow::Buffer>& file) {
  return Decode(file, /*with_features=*/true);
}

Result<DecodedPart> DecodePartRows(const std::shared_ptr<arrow::Buffer>& file) {
  return Decode(file, /*with_features=*/false);
}

std::string PartName(const std::string& key) { return "part-" + key + ".parquet"; }

}  // namespace pomona::dataset
