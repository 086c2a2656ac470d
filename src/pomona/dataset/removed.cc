#include "pomona/dataset/removed.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "pomona/base/hash.h"
#include "pomona/base/text.h"
#include "pomona/io/parquet_file.h"

namespace pomona::dataset {
namespace {

std::shared_ptr<arrow::Schema> Schema() {
  using arrow::field;
  return arrow::schema({field("path", arrow::utf8(), false), field("label", arrow::utf8()),
                        field("bytes", arrow::int64(), false),
                        field("version", arrow::utf8(), false),
                        field("content", arrow::utf8(), false)});
}

Result<std::shared_ptr<arrow::Table>> ToTable(const std::vector<Removed>& removed) {
  arrow::StringBuilder path, label, version, content;
  arrow::Int64Builder bytes;
  for (const Removed& r : removed) {
    ARROW_RETURN_NOT_OK(path.Append(r.path));
    ARROW_RETURN_NOT_OK(r.label ? label.Append(*r.label) : label.AppendNull());
    ARROW_RETURN_NOT_OK(bytes.Append(r.bytes));
    ARROW_RETURN_NOT_OK(version.Append(r.version));
    ARROW_RETURN_NOT_OK(content.Append(r.content));
  }
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (arrow::ArrayBuilder* builder :
       std::initializer_list<arrow::ArrayBuilder*>{&path, &label, &bytes, &version, &content}) {
    ARROW_ASSIGN_OR_RAISE(auto column, builder->Finish());
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(Schema(), columns);
}

Result<std::string> Encode(const std::vector<Removed>& removed) {
  ARROW_ASSIGN_OR_RAISE(const auto table, ToTable(removed));
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  ARROW_RETURN_NOT_OK(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1 << 20));
  ARROW_ASSIGN_OR_RAISE(const auto file, sink->Finish());
  return file->ToString();
}

Result<std::vector<Removed>> Decode(const std::shared_ptr<arrow::Buffer>& file) {
  io::ParquetMemory memory(file->size());
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        io::OpenParquet(std::make_shared<arrow::io::BufferReader>(file), &memory,
                                        io::ParquetRead::kWhole));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ReadTable());
  if (!table->schema()->Equals(*Schema(), /*check_metadata=*/false)) {
    return Status::Invalid("its columns are ", table->schema()->ToString());
  }
  ARROW_ASSIGN_OR_RAISE(table, table->CombineChunks());
  std::vector<Removed> removed(static_cast<size_t>(table->num_rows()));
  if (removed.empty()) return removed;
  const auto text = [&](int column) {
    return std::static_pointer_cast<arrow::StringArray>(table->column(column)->chunk(0));
  };
  const auto path = text(0), label = text(1), version = text(3), content = text(4);
  const auto bytes = std::static_pointer_cast<arrow::Int64Array>(table->column(2)->chunk(0));
  for (size_t i = 0; i < removed.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    removed[i] = {path->GetString(at), std::nullopt, bytes->Value(at), version->GetString(at),
                  content->GetString(at)};
    if (!label->IsNull(at)) removed[i].label = label->GetString(at);
  }
  return removed;
}

}  // namespace

std::string RemovedName(const std::string& hash) {
  return std::string(kFeaturesFolder) + "/_pomona/removed-" + hash + ".parquet";
}

Result<std::vector<Removed>> ReadRemoved(const io::Store& store, const Manifest& manifest) {
  if (manifest.removed == 0) return std::vector<Removed>();
  const std::string name = RemovedName(manifest.removed_hash);
  ARROW_ASSIGN_OR_RAISE(const auto file, store.Read(name));
  if (Xxh3Hex(std::span(file->data(), static_cast<size_t>(file->size()))) !=
      manifest.removed_hash) {
    return Status::Invalid(Quoted(store.Describe(name)), " is not what was committed");
  }
  auto removed = Decode(file);
  if (!removed.ok()) {
    return WithContext(removed.status(), "cannot read " + Quoted(store.Describe(name)));
  }
  return removed;
}

Status WriteRemoved(io::Store* store, std::vector<Removed> removed, Manifest* manifest) {
  manifest->removed = static_cast<int64_t>(removed.size());
  manifest->removed_hash.clear();
  if (removed.empty()) return Status::OK();
  std::sort(removed.begin(), removed.end(),
            [](const Removed& a, const Removed& b) { return a.path < b.path; });
  ARROW_ASSIGN_OR_RAISE(const std::string file, Encode(removed));
  manifest->removed_hash = Xxh3Hex(std::string_view(file));
  const std::string name = RemovedName(manifest->removed_hash);
  ARROW_ASSIGN_OR_RAISE(const bool there, store->Exists(name));
  return there ? Status::OK() : store->Put(name, file);
}

}  // namespace pomona::dataset
