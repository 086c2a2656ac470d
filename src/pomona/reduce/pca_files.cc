#include "pomona/reduce/pca_files.h"

#include <algorithm>
#include <utility>

#include <arrow/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>
#include <nlohmann/json.hpp>

#include "pomona/base/hash.h"

namespace pomona::reduce {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr char kFooterKey[] = "pomona.pca";
// Values of projection.parquet in a row group, which the Parquet writer keeps in memory.
constexpr int64_t kGroupValues = 1 << 22;

// JSON keeps every bit of a double, so what is read back has the identity of what was written.
std::string Identity(const Pca& pca) {
  std::string text = ToJson(pca).dump();
  text.append(reinterpret_cast<const char*>(pca.components.data()),
              pca.components.size() * sizeof(double));
  return Xxh3Hex(text);
}

std::string ModelText(const Pca& pca) {
  json j = ToJson(pca);
  j["id"] = Identity(pca);
  return j.dump() + "\n";
}

// A Pca without its components, and the identity of the whole.
struct Model {
  Pca pca;
  std::string id;
};

Result<Model> ParseModel(const std::string& text) {
  Model model;
  try {
    const json j = json::parse(text);
    if (j.at("format") != kFormat) {
      return Status::Invalid("it has format ", j.at("format").dump(), ", not ", kFormat);
    }
    model = {PcaFromJson(j), j.at("id").get<std::string>()};
  } catch (const json::exception& e) {
    return Status::Invalid(e.what());
  }
  const Pca& pca = model.pca;
  const auto d = static_cast<size_t>(std::max(pca.dimension, 0));
  if (d == 0 || pca.variance.size() != d || pca.scaler.mean.size() != d ||
      pca.scaler.scale.size() != d || pca.k < 0 || pca.k > pca.rank || pca.rank > pca.dimension) {
    return Status::Invalid("its sizes contradict each other");
  }
  return model;
}

Status Damaged(const Status& error, const io::Store& results, const char* name) {
  return WithContext(
      error, results.Describe(name) + " cannot be read, run `pomona reduce` to make it again");
}

Status Mixed(const io::Store& results, const char* name) {
  return Status::Invalid(results.Describe(name), " and ", kPcaModelName,
                         " are not of one reduction: run `pomona reduce` to make them again");
}

Result<Model> ReadModel(const io::Store& results) {
  ARROW_ASSIGN_OR_RAISE(const bool exists, results.Exists(kPcaModelName));
  if (!exists) {
    return NothingToRead("no principal components in " + results.uri() +
                         ": run `pomona reduce RESULTS` (or `pomona run`) first");
  }
  ARROW_ASSIGN_OR_RAISE(const auto text, results.Read(kPcaModelName));
  auto model = ParseModel(text->ToString());
  if (!model.ok()) return Damaged(model.status(), results, kPcaModelName);
  return model;
}

std::shared_ptr<arrow::DataType> LoadingsType(int dimension) {
  return arrow::fixed_size_list(arrow::field("element", arrow::float64(), /*nullable=*/false),
                                dimension);
}

std::shared_ptr<arrow::Array> Wrap(const double* values, size_t count) {
  return std::make_shared<arrow::DoubleArray>(static_cast<int64_t>(count),
                                              arrow::Buffer::Wrap(values, count));
}

// Valid as long as `pca` and `ratio` are.
Result<std::shared_ptr<arrow::RecordBatch>> ComponentsBatch(const Pca& pca,
                                                            const std::vector<double>& ratio) {
  arrow::Int32Builder numbers;
  for (int i = 1; i <= pca.k; ++i) ARROW_RETURN_NOT_OK(numbers.Append(i));
  ARROW_ASSIGN_OR_RAISE(const auto component, numbers.Finish());
  const auto type = LoadingsType(pca.dimension);
  const auto loadings = std::make_shared<arrow::FixedSizeListArray>(
      type, pca.k, Wrap(pca.components.data(), pca.components.size()));
  const auto schema = arrow::schema({arrow::field("component", arrow::int32(), false),
                                     arrow::field("explained_variance", arrow::float64(), false),
                                     arrow::field("explained_ratio", arrow::float64(), false),
                                     arrow::field("loadings", type, false)});
  return arrow::RecordBatch::Make(
      schema, pca.k,
      {component, Wrap(pca.variance.data(), pca.k), Wrap(ratio.data(), pca.k), loadings});
}

std::string ProjectionColumn(int component) { return "pc" + std::to_string(component + 1); }

std::shared_ptr<arrow::Schema> ProjectionSchema(const Pca& pca) {
  arrow::FieldVector fields = {arrow::field("path", arrow::utf8(), false),
                               arrow::field("label", arrow::utf8())};
  for (int c = 0; c < pca.k; ++c) {
    fields.push_back(arrow::field(ProjectionColumn(c), arrow::float64(), false));
  }
  return arrow::schema(fields, arrow::key_value_metadata({{kFooterKey, Identity(pca)}}));
}

Result<std::shared_ptr<arrow::RecordBatch>> ProjectionBatch(
    const std::shared_ptr<arrow::Schema>& schema, const std::vector<dataset::Row>& rows,
    const std::vector<double>& values) {
  arrow::StringBuilder paths;
  arrow::StringBuilder labels;
  for (const dataset::Row& row : rows) {
    ARROW_RETURN_NOT_OK(paths.Append(row.path));
    ARROW_RETURN_NOT_OK(row.label ? labels.Append(*row.label) : labels.AppendNull());
  }
  arrow::ArrayVector columns(2);
  ARROW_RETURN_NOT_OK(paths.Finish(&columns[0]));
  ARROW_RETURN_NOT_OK(labels.Finish(&columns[1]));
  const size_t k = schema->num_fields() - columns.size();
  for (size_t c = 0; c < k; ++c) {
    arrow::DoubleBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(rows.size())));
    for (size_t i = 0; i < rows.size(); ++i) builder.UnsafeAppend(values[i * k + c]);
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder.Finish());
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()), std::move(columns));
}

// One Parquet file of this schema, as record batches come. Same batches, same bytes.
Result<std::unique_ptr<parquet::arrow::FileWriter>> OpenParquet(
    const std::shared_ptr<arrow::Schema>& schema, io::PendingFile* file) {
  // Byte-stream-split lets zstd find something in numbers; a dictionary never helps them.
  parquet::WriterProperties::Builder options;
  options.compression(parquet::Compression::ZSTD)
      ->disable_dictionary()
      ->enable_page_checksum()
      ->max_row_group_length(std::max<int64_t>(1024, kGroupValues / schema->num_fields()));
  for (const auto& field : schema->fields()) {
    const bool nested = field->type()->num_fields() > 0;
    const bool number = nested || field->type()->id() == arrow::Type::DOUBLE;
    const std::string leaf = field->name() + (nested ? ".list.element" : "");
    if (number) options.encoding(leaf, parquet::Encoding::BYTE_STREAM_SPLIT);
    if (field->name() == "label") options.enable_dictionary("label");
  }
  const auto arrow_options = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  // The file outlives the writer, so the shared pointer owns nothing.
  const std::shared_ptr<arrow::io::OutputStream> sink(std::shared_ptr<void>(), file->stream());
  // Arrow's own pool asks for pages of 2 MB, and here, where each is used once, zeroing them took
  // most of the time of a projection.
  arrow::MemoryPool* const pool = arrow::system_memory_pool();
  return parquet::arrow::FileWriter::Open(*schema, pool, sink, options.memory_pool(pool)->build(),
                                          arrow_options);
}

class PcaFiles : public PcaWriter {
 public:
  PcaFiles(io::Store* results, Pca pca) : results_(results), pca_(std::move(pca)) {}

  Status Open() {
    ARROW_ASSIGN_OR_RAISE(file_, results_->Create(kProjectionName));
    ARROW_ASSIGN_OR_RAISE(projection_, OpenParquet(schema_, file_.get()));
    return Status::OK();
  }

  Status Append(const std::vector<dataset::Row>& rows, const std::vector<double>& values) override {
    ARROW_ASSIGN_OR_RAISE(const auto batch, ProjectionBatch(schema_, rows, values));
    return projection_->WriteRecordBatch(*batch);
  }

  Status Commit() override {
    ARROW_RETURN_NOT_OK(projection_->Close());
    ARROW_ASSIGN_OR_RAISE(const auto components, WriteComponents());
    ARROW_ASSIGN_OR_RAISE(const auto model, results_->Create(kPcaModelName));
    ARROW_RETURN_NOT_OK(model->stream()->Write(ModelText(pca_)));
    ARROW_RETURN_NOT_OK(file_->Commit());
    ARROW_RETURN_NOT_OK(components->Commit());
    return model->Commit();
  }

 private:
  Result<std::unique_ptr<io::PendingFile>> WriteComponents() {
    ARROW_ASSIGN_OR_RAISE(auto file, results_->Create(kComponentsName));
    const std::vector<double> ratio = pca_.ExplainedRatio();
    ARROW_ASSIGN_OR_RAISE(const auto batch, ComponentsBatch(pca_, ratio));
    ARROW_ASSIGN_OR_RAISE(const auto writer, OpenParquet(batch->schema(), file.get()));
    ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    ARROW_RETURN_NOT_OK(writer->Close());
    return file;
  }

  io::Store* results_;
  const Pca pca_;
  std::shared_ptr<arrow::Schema> schema_ = ProjectionSchema(pca_);
  std::unique_ptr<io::PendingFile> file_;
  std::unique_ptr<parquet::arrow::FileWriter> projection_;
};

Result<std::shared_ptr<arrow::Table>> ReadTable(const io::Store& results, const char* name) {
  ARROW_ASSIGN_OR_RAISE(const auto file, results.Open(name));
  parquet::ReaderProperties options;
  options.set_page_checksum_verification(true);
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(file, options));
  ARROW_ASSIGN_OR_RAISE(const auto reader, builder.Build());
  return reader->ReadTable();
}

Result<arrow::ArrayVector> Chunks(const arrow::Table& table, const std::string& name,
                                  const arrow::DataType& type) {
  const auto column = table.GetColumnByName(name);
  if (column == nullptr) return Status::Invalid("it has no column '", name, "'");
  if (!column->type()->Equals(type)) {
    return Status::Invalid("its column '", name, "' is ", column->type()->ToString(), ", not ",
                           type.ToString());
  }
  return column->chunks();
}

Result<std::vector<double>> Loadings(const arrow::Table& table, int dimension) {
  std::vector<double> out;
  ARROW_ASSIGN_OR_RAISE(const auto chunks, Chunks(table, "loadings", *LoadingsType(dimension)));
  for (const auto& chunk : chunks) {
    ARROW_ASSIGN_OR_RAISE(const auto flat,
                          static_cast<const arrow::FixedSizeListArray&>(*chunk).Flatten());
    const auto& values = static_cast<const arrow::DoubleArray&>(*flat);
    out.insert(out.end(), values.raw_values(), values.raw_values() + values.length());
  }
  return out;
}

Result<std::vector<std::string>> Strings(const arrow::Table& table, const std::string& name) {
  std::vector<std::string> out;
  ARROW_ASSIGN_OR_RAISE(const auto chunks, Chunks(table, name, *arrow::utf8()));
  for (const auto& chunk : chunks) {
    const auto& strings = static_cast<const arrow::StringArray&>(*chunk);
    for (int64_t i = 0; i < strings.length(); ++i) {
      out.push_back(strings.IsNull(i) ? "" : strings.GetString(i));
    }
  }
  return out;
}

Result<Projection> ProjectionOf(const arrow::Table& table, int k) {
  Projection out;
  out.k = k;
  ARROW_ASSIGN_OR_RAISE(out.paths, Strings(table, "path"));
  ARROW_ASSIGN_OR_RAISE(out.labels, Strings(table, "label"));
  out.values.resize(out.paths.size() * k);
  for (int c = 0; c < k; ++c) {
    ARROW_ASSIGN_OR_RAISE(const auto chunks, Chunks(table, ProjectionColumn(c), *arrow::float64()));
    size_t at = c;
    for (const auto& chunk : chunks) {
      const auto& values = static_cast<const arrow::DoubleArray&>(*chunk);
      for (int64_t i = 0; i < values.length(); ++i, at += k) out.values[at] = values.Value(i);
    }
  }
  return out;
}

}  // namespace

json ToJson(const Pca& pca) {
  return {{"format", kFormat},
          {"dataset", pca.dataset},
          {"n", pca.n},
          {"dimension", pca.dimension},
          {"k", pca.k},
          {"rank", pca.rank},
          {"variance", pca.variance},
          {"total_variance", pca.total_variance},
          {"scaler",
           {{"mean", pca.scaler.mean},
            {"scale", pca.scaler.scale},
            {"constant", pca.scaler.constant}}}};
}

Pca PcaFromJson(const json& j) {
  Pca pca;
  pca.dataset = j.at("dataset").get<std::string>();
  pca.n = j.at("n").get<int64_t>();
  pca.dimension = j.at("dimension").get<int>();
  pca.k = j.at("k").get<int>();
  pca.rank = j.at("rank").get<int>();
  pca.variance = j.at("variance").get<std::vector<double>>();
  pca.total_variance = j.at("total_variance").get<double>();
  const json& scaler = j.at("scaler");
  pca.scaler.mean = scaler.at("mean").get<std::vector<double>>();
  pca.scaler.scale = scaler.at("scale").get<std::vector<double>>();
  pca.scaler.constant = scaler.at("constant").get<std::vector<int>>();
  return pca;
}

Result<std::unique_ptr<PcaWriter>> PcaWriter::Open(io::Store* results, const Pca& pca) {
  auto files = std::make_unique<PcaFiles>(results, pca);
  ARROW_RETURN_NOT_OK(files->Open());
  return files;
}

Result<Pca> ReadPca(const io::Store& results) {
  ARROW_ASSIGN_OR_RAISE(Model model, ReadModel(results));
  const auto table = ReadTable(results, kComponentsName);
  if (!table.ok()) return Damaged(table.status(), results, kComponentsName);
  auto loadings = Loadings(**table, model.pca.dimension);
  if (!loadings.ok()) return Damaged(loadings.status(), results, kComponentsName);
  model.pca.components = std::move(*loadings);
  if (Identity(model.pca) != model.id) return Mixed(results, kComponentsName);
  return std::move(model.pca);
}

Result<Projection> ReadProjection(const io::Store& results) {
  ARROW_ASSIGN_OR_RAISE(const Model model, ReadModel(results));
  const auto table = ReadTable(results, kProjectionName);
  if (!table.ok()) return Damaged(table.status(), results, kProjectionName);
  const auto metadata = (*table)->schema()->metadata();
  if (metadata == nullptr || metadata->Get(kFooterKey).ValueOr("") != model.id) {
    return Mixed(results, kProjectionName);
  }
  auto projection = ProjectionOf(**table, model.pca.k);
  if (!projection.ok()) return Damaged(projection.status(), results, kProjectionName);
  return projection;
}

}  // namespace pomona::reduce
