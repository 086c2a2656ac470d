#include "pomona/dataset/commit.h"

#include <set>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>

#include "pomona/base/hash.h"

namespace pomona::dataset {
namespace {

std::string PartPath(const std::string& key) {
  return std::string(kFeaturesFolder) + "/" + PartName(key);
}

PartEntry Describe(const std::string& key, const Part& part, const arrow::Buffer& file) {
  return {key, static_cast<int64_t>(part.rows.size()), static_cast<int64_t>(part.rejected.size()),
          file.size(), Xxh3Hex(std::span(file.data(), static_cast<size_t>(file.size())))};
}

// The columns of rejected.parquet.
struct RejectedColumns {
  arrow::StringBuilder path, label, reason, detail, version;
  arrow::Int64Builder byte_offset, bytes;

  Status Append(const Rejected& r) {
    ARROW_RETURN_NOT_OK(path.Append(r.path));
    ARROW_RETURN_NOT_OK(r.label ? label.Append(*r.label) : label.AppendNull());
    ARROW_RETURN_NOT_OK(reason.Append(ReasonName(r.why.reason)));
    ARROW_RETURN_NOT_OK(detail.Append(r.why.detail));
    ARROW_RETURN_NOT_OK(r.why.byte_offset ? byte_offset.Append(*r.why.byte_offset)
                                          : byte_offset.AppendNull());
    ARROW_RETURN_NOT_OK(bytes.Append(r.bytes));
    return version.Append(r.version);
  }

  Result<std::shared_ptr<arrow::Table>> Finish() {
    using arrow::field;
    const auto schema =
        arrow::schema({field("path", arrow::utf8(), false), field("label", arrow::utf8()),
                       field("reason", arrow::utf8(), false), field("detail", arrow::utf8(), false),
                       field("byte_offset", arrow::int64()), field("bytes", arrow::int64(), false),
                       field("version", arrow::utf8(), false)});
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (arrow::ArrayBuilder* builder : std::initializer_list<arrow::ArrayBuilder*>{
             &path, &label, &reason, &detail, &byte_offset, &bytes, &version}) {
      ARROW_ASSIGN_OR_RAISE(auto column, builder->Finish());
      columns.push_back(std::move(column));
    }
    return arrow::Table::Make(schema, columns);
  }
};

Status CheckPartsExist(const io::Store& store, const Manifest& manifest) {
  ARROW_ASSIGN_OR_RAISE(const auto files, store.List(kFeaturesFolder));
  std::set<std::string> there;
  for (const io::FileInfo& file : files) there.insert(file.name);
  for (const PartEntry& part : manifest.parts) {
    if (!there.contains(PartPath(part.key))) {
      return Status::IOError(store.Describe(PartPath(part.key)),
                             " is gone although this run wrote it; nothing was committed. Was "
                             "`pomona gc` run at the same time? Run the same command again");
    }
  }
  return Status::OK();
}

// Replaces the file only if that changes it.
Status PutIfDifferent(io::Store* store, const std::string& name, const std::string& bytes) {
  ARROW_ASSIGN_OR_RAISE(const bool exists, store->Exists(name));
  if (exists) {
    ARROW_ASSIGN_OR_RAISE(auto old, store->Read(name));
    if (std::string_view(*old) == bytes) return Status::OK();
  }
  return store->Put(name, bytes);
}

// Parts of the dataset that is being replaced; none if there is none or it cannot be read.
std::set<std::string> CommittedKeys(const io::Store& store) {
  std::set<std::string> keys;
  const auto before = Dataset::Open(store);
  if (before.ok()) {
    for (const PartEntry& part : before->manifest().parts) keys.insert(part.key);
  }
  return keys;
}

}  // namespace

Result<PartEntry> WritePart(io::Store* store, const Part& part, const PartIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(auto file, EncodePart(part, identity));
  ARROW_RETURN_NOT_OK(store->Put(PartPath(identity.key), std::string_view(*file)));
  return Describe(identity.key, part, *file);
}

Result<std::optional<PartEntry>> FindPart(const io::Store& store, const PartIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(const bool exists, store.Exists(PartPath(identity.key)));
  if (!exists) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto file, store.Read(PartPath(identity.key)));
  const auto decoded = DecodePart(file);
  if (!decoded.ok() || decoded->identity.key != identity.key ||
      decoded->identity.recipe != identity.recipe || decoded->identity.model != identity.model) {
    return std::nullopt;
  }
  for (const Rejected& rejected : decoded->part.rejected) {
    if (IsTransient(rejected.why.reason)) return std::nullopt;
  }
  return Describe(identity.key, decoded->part, *file);
}

Result<std::string> EncodeRejected(const Dataset& dataset) {
  RejectedColumns columns;
  for (size_t i = 0; i < dataset.num_parts(); ++i) {
    if (dataset.manifest().parts[i].rejected == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const Part part, dataset.ReadRows(i));
    for (const Rejected& rejected : part.rejected) ARROW_RETURN_NOT_OK(columns.Append(rejected));
  }
  ARROW_ASSIGN_OR_RAISE(auto table, columns.Finish());
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create());
  ARROW_RETURN_NOT_OK(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1 << 20));
  ARROW_ASSIGN_OR_RAISE(auto file, sink->Finish());
  return file->ToString();
}

Status Commit(io::Store* store, const Manifest& manifest) {
  ARROW_RETURN_NOT_OK(CheckPartsExist(*store, manifest));
  std::set<std::string> superseded = CommittedKeys(*store);
  for (const PartEntry& part : manifest.parts) superseded.erase(part.key);

  ARROW_ASSIGN_OR_RAISE(const std::string rejected, EncodeRejected(Dataset(*store, manifest)));
  ARROW_RETURN_NOT_OK(PutIfDifferent(store, kRejectedName, rejected));
  ARROW_RETURN_NOT_OK(PutIfDifferent(store, kManifestName, ToText(manifest)));
  // A plain Parquet reader takes every part it finds in the folder.
  for (const std::string& key : superseded) ARROW_RETURN_NOT_OK(store->Delete(PartPath(key)));
  return Status::OK();
}

}  // namespace pomona::dataset
