// What is committed: readers trust only the manifest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

struct PartEntry {
  std::string key;
  int64_t rows = 0;
  int64_t rejected = 0;
  int64_t bytes = 0;  // of the file
  std::string hash;   // XXH3-128 of the file, 32 hex digits

  bool operator==(const PartEntry&) const = default;
};

struct Manifest {
  std::string tool;       // "pomona 0.1.0"
  std::string source;     // URI
  std::string label;      // how labels were made: "folder", "none", or the manifest's column
  nlohmann::json recipe;  // image::ToJson
  nlohmann::json model;   // {"id", "identity": Card::Identity(), "weights_sha256", "precision"}
  std::vector<PartEntry> parts;     // in the order in which everything reads them
  int64_t ignored = 0;              // files of the source passed over by name
  int64_t removed = 0;              // images that the source no longer has (dataset/removed.h)
  std::string removed_hash;         // XXH3-128 of their list; empty without any
  nlohmann::json precision_choice;  // what --precision auto found, no part of the contract; or null

  int dimension() const;            // of a feature
  int64_t rows() const;             // images with a feature
  int64_t rejected() const;         // images without
  std::string recipe_hash() const;  // XXH3-128 of the canonical JSON
  std::string model_hash() const;
};

// Paths inside a results folder.
inline constexpr char kFeaturesFolder[] = "features";
inline constexpr const char* kManifestName = io::kResultsMarker;
inline constexpr char kRejectedName[] = "features/_pomona/rejected.parquet";

nlohmann::json ToJson(const PartEntry& part);
PartEntry PartEntryFromJson(const nlohmann::json& j);  // throws json::exception

std::string ToText(const Manifest& manifest);
Result<Manifest> ParseManifest(const std::string& text);

// OK if `asked` could be added to `there`; otherwise a UsageError naming each field of recipe or
// model that differs, with both values.
Status CheckSameContract(const Manifest& there, const Manifest& asked, const std::string& where);

}  // namespace pomona::dataset
