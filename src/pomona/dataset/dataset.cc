#include "pomona/dataset/dataset.h"

#include "pomona/base/hash.h"

namespace pomona::dataset {
namespace {

std::string PartPath(const PartEntry& entry) {
  return std::string(kFeaturesFolder) + "/" + PartName(entry.key);
}

Status CheckFile(const PartEntry& entry, const arrow::Buffer& file) {
  if (file.size() != entry.bytes) {
    return Status::Invalid("it has ", file.size(), " bytes, the manifest says ", entry.bytes);
  }
  const std::string hash = Xxh3Hex(std::span(file.data(), static_cast<size_t>(file.size())));
  if (hash != entry.hash) {
    return Status::Invalid("its content changed: XXH3 ", hash, ", the manifest says ", entry.hash);
  }
  return Status::OK();
}

Status CheckPart(const PartEntry& entry, const Manifest& manifest, const DecodedPart& decoded) {
  const auto rows = static_cast<int64_t>(decoded.part.rows.size());
  const auto rejected = static_cast<int64_t>(decoded.part.rejected.size());
  if (rows != entry.rows || rejected != entry.rejected) {
    return Status::Invalid("it has ", rows, " rows and ", rejected, " rejected, the manifest says ",
                           entry.rows, " and ", entry.rejected);
  }
  if (decoded.identity.key != entry.key) {
    return Status::Invalid("its footer says it is part ", decoded.identity.key);
  }
  if (decoded.identity.recipe != manifest.recipe_hash()) {
    return Status::Invalid("it was made by another recipe (", decoded.identity.recipe, ")");
  }
  if (decoded.identity.model != manifest.model_hash()) {
    return Status::Invalid("it was made by another model (", decoded.identity.model, ")");
  }
  if (decoded.part.dimension != manifest.dimension()) {
    return Status::Invalid("its features have ", decoded.part.dimension, " numbers, not ",
                           manifest.dimension());
  }
  return Status::OK();
}

}  // namespace

Result<Dataset> Dataset::Open(const io::Store& store) {
  ARROW_ASSIGN_OR_RAISE(const auto state, store.ReadState(kManifestName));
  if (!state) {
    return NothingToRead("no features in " + store.uri() +
                         ": run `pomona extract IMAGES RESULTS` (or `pomona run`) first");
  }
  auto manifest = ParseManifest(state->bytes->ToString());
  if (!manifest.ok()) {
    return WithContext(manifest.status(), store.Describe(kManifestName) + " is damaged");
  }
  Dataset dataset(store, std::move(*manifest));
  dataset.version_ = state->version;
  return dataset;
}

Result<DecodedPart> Dataset::Load(size_t i, bool with_features) const {
  const PartEntry& entry = manifest_.parts.at(i);
  const std::string context = store_->Describe(PartPath(entry)) + " is damaged";
  auto file = store_->Read(PartPath(entry));
  if (!file.ok()) return WithContext(file.status(), "a committed part cannot be read");
  const Status same = CheckFile(entry, **file);
  if (!same.ok()) return WithContext(same, context);
  auto decoded = with_features ? DecodePart(*file) : DecodePartRows(*file);
  if (!decoded.ok()) return WithContext(decoded.status(), context);
  const Status fits = CheckPart(entry, manifest_, *decoded);
  if (!fits.ok()) return WithContext(fits, context);
  return decoded;
}

Result<Part> Dataset::ReadPart(size_t i) const {
  ARROW_ASSIGN_OR_RAISE(DecodedPart decoded, Load(i, /*with_features=*/true));
  return std::move(decoded.part);
}

Result<Part> Dataset::ReadRows(size_t i) const {
  ARROW_ASSIGN_OR_RAISE(DecodedPart decoded, Load(i, /*with_features=*/false));
  return std::move(decoded.part);
}

}  // namespace pomona::dataset
