#include "pomona/dataset/garbage.h"

#include <algorithm>
#include <set>

#include "pomona/dataset/dataset.h"
#include "pomona/dataset/removed.h"

namespace pomona::dataset {
namespace {

bool IsPart(const std::string& name) {
  const std::string prefix = std::string(kFeaturesFolder) + "/part-";
  return name.starts_with(prefix) && name.ends_with(".parquet") &&
         name.find('/', prefix.size()) == std::string::npos;
}

bool IsRemovedList(const std::string& name) {
  const std::string prefix = std::string(kFeaturesFolder) + "/_pomona/removed-";
  return name.starts_with(prefix) && name.ends_with(".parquet");
}

}  // namespace

Result<std::vector<std::string>> FindGarbage(const io::Store& store) {
  std::set<std::string> committed;
  ARROW_ASSIGN_OR_RAISE(const bool has_manifest, store.Exists(kManifestName));
  if (has_manifest) {
    ARROW_ASSIGN_OR_RAISE(const Dataset dataset, Dataset::Open(store));
    if (dataset.manifest().removed > 0) {
      committed.insert(RemovedName(dataset.manifest().removed_hash));
    }
    for (const PartEntry& part : dataset.manifest().parts) {
      committed.insert(std::string(kFeaturesFolder) + "/" + PartName(part.key));
    }
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> garbage, store.ListUnfinished());
  ARROW_ASSIGN_OR_RAISE(const auto files, store.List(""));
  for (const io::FileInfo& file : files) {
    const bool ours = IsPart(file.name) || IsRemovedList(file.name);
    if (ours && !committed.contains(file.name)) garbage.push_back(file.name);
  }
  std::sort(garbage.begin(), garbage.end());
  return garbage;
}

}  // namespace pomona::dataset
