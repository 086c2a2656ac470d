#include "pomona/dataset/commit.h"

#include <algorithm>
#include <map>
#include <set>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>

#include "pomona/base/hash.h"
#include "pomona/base/text.h"
#include "pomona/dataset/removed.h"

namespace pomona::dataset {
namespace {

std::string PartPath(const std::string& key) {
  return std::string(kFeaturesFolder) + "/" + PartName(key);
}

PartEntry Describe(const std::string& key, const Part& part, const arrow::Buffer& file) {
  return {key, static_cast<int64_t>(part.rows.size()), static_cast<int64_t>(part.rejected.size()),
          file.size(), Xxh3Hex(std::span(file.data(), static_cast<size_t>(file.size())))};
}

// The files that a manifest names.
std::set<std::string> Files(const Manifest& manifest) {
  std::set<std::string> names;
  for (const PartEntry& part : manifest.parts) names.insert(PartPath(part.key));
  if (manifest.removed > 0) names.insert(RemovedName(manifest.removed_hash));
  return names;
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

// Of another size: another run has replaced it.
Status CheckPartsExist(const io::Store& store, const Manifest& manifest) {
  ARROW_ASSIGN_OR_RAISE(const auto files, store.List(kFeaturesFolder));
  std::map<std::string, int64_t> sizes;
  for (const io::FileInfo& file : files) sizes[file.name] = file.size;
  for (const PartEntry& part : manifest.parts) {
    const auto found = sizes.find(PartPath(part.key));
    if (found == sizes.end() || found->second != part.bytes) {
      return Status::IOError(store.Describe(PartPath(part.key)),
                             " is gone or replaced although this run wrote it; nothing was "
                             "committed. Was `pomona gc` or another run at work at the same time? "
                             "Run the same command again");
    }
  }
  return Status::OK();
}

// Whether another run has committed the very same dataset: then nothing was lost and all is done.
Result<bool> IsCurrent(const io::Store& store, const std::string& manifest) {
  ARROW_ASSIGN_OR_RAISE(const auto there, store.ReadState(kManifestName));
  return there && std::string_view(*there->bytes) == manifest;
}

// Who was faster, and what to do.
Status DescribeConflict(const io::Store& store) {
  std::string now = "changed it";
  const auto dataset = Dataset::Open(store);
  if (dataset.ok()) {
    const Manifest& manifest = dataset->manifest();
    now = "committed " + Counted(manifest.rows() + manifest.rejected(), "image") + " of " +
          manifest.source;
  }
  return Conflict("another run " + now + " to " + store.Describe(kFeaturesFolder) +
                  " while this one was at work, and this one committed nothing. No work is lost: "
                  "run the same command again, and it goes on from there with the parts that are "
                  "finished");
}

// What rejected.parquet holds follows from the manifest. Runs that commit one after the other may
// write it in another order; the last one to write sees that its manifest is not the current one.
Status WriteRejected(io::Store* store) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const Dataset committed, Dataset::Open(*store));
    ARROW_ASSIGN_OR_RAISE(const std::string rejected, EncodeRejected(committed));
    ARROW_ASSIGN_OR_RAISE(const auto there, store->ReadState(kRejectedName));
    if (there && std::string_view(*there->bytes) == rejected) return Status::OK();
    ARROW_RETURN_NOT_OK(store->Put(kRejectedName, rejected));
  }
}

bool IsCommitted(const io::Store& store, const std::string& key) {
  const auto dataset = Dataset::Open(store);
  if (!dataset.ok()) return false;
  const auto& parts = dataset->manifest().parts;
  return std::any_of(parts.begin(), parts.end(),
                     [&](const PartEntry& part) { return part.key == key; });
}

// Whether a file holds the part of this identity, whole.
Result<DecodedPart> DecodeOwn(const std::shared_ptr<arrow::Buffer>& file,
                              const PartIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(DecodedPart decoded, DecodePart(file));
  if (decoded.identity.key != identity.key || decoded.identity.recipe != identity.recipe ||
      decoded.identity.model != identity.model) {
    return Status::Invalid("it is another part");
  }
  return decoded;
}

bool HasTransient(const Part& part) {
  return std::any_of(part.rejected.begin(), part.rejected.end(),
                     [](const Rejected& r) { return IsTransient(r.why.reason); });
}

}  // namespace

Result<PartEntry> WritePart(io::Store* store, const Part& part, const PartIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(auto file, EncodePart(part, identity));
  const std::string path = PartPath(identity.key);
  std::optional<std::string> before;
  Status written = store->PutIf(path, std::string_view(*file), before);
  if (IsConflict(written)) {
    ARROW_ASSIGN_OR_RAISE(const auto there, store->ReadState(path));
    if (there) {
      const auto decoded = DecodeOwn(there->bytes, identity);
      const bool sound =
          decoded.ok() && (!HasTransient(decoded->part) || IsCommitted(*store, identity.key));
      if (sound) return Describe(identity.key, decoded->part, *there->bytes);
      before = there->version;
    }
    written = store->PutIf(path, std::string_view(*file), before);
  }
  if (IsConflict(written)) {  // in this very moment: what is there now is another run's
    ARROW_ASSIGN_OR_RAISE(const auto there, store->Read(path));
    ARROW_ASSIGN_OR_RAISE(const DecodedPart decoded, DecodeOwn(there, identity));
    return Describe(identity.key, decoded.part, *there);
  }
  ARROW_RETURN_NOT_OK(written);
  return Describe(identity.key, part, *file);
}

Result<std::optional<PartEntry>> FindPart(const io::Store& store, const PartIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(const auto there, store.ReadState(PartPath(identity.key)));
  if (!there) return std::nullopt;
  const auto decoded = DecodeOwn(there->bytes, identity);
  if (!decoded.ok() || HasTransient(decoded->part)) return std::nullopt;
  return Describe(identity.key, decoded->part, *there->bytes);
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

Status Commit(io::Store* store, const Manifest& manifest, const Dataset* replaced) {
  ARROW_RETURN_NOT_OK(CheckPartsExist(*store, manifest));
  const std::string text = ToText(manifest);
  const bool same = replaced != nullptr && ToText(replaced->manifest()) == text;
  if (!same) {
    const Status put =
        store->PutIf(kManifestName, text, replaced == nullptr ? std::nullopt : replaced->version());
    if (IsConflict(put)) {
      ARROW_ASSIGN_OR_RAISE(const bool done, IsCurrent(*store, text));
      if (!done) return DescribeConflict(*store);
    } else {
      ARROW_RETURN_NOT_OK(put);
    }
  }
  ARROW_RETURN_NOT_OK(WriteRejected(store));
  std::set<std::string> superseded;
  if (replaced != nullptr) superseded = Files(replaced->manifest());
  for (const std::string& name : Files(manifest)) superseded.erase(name);
  // A plain Parquet reader takes every part it finds in the folder.
  for (const std::string& name : superseded) ARROW_RETURN_NOT_OK(store->Delete(name));
  return Status::OK();
}

}  // namespace pomona::dataset
