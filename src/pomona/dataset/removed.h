// Images that were in the dataset once and that the source no longer has: what is left of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/dataset/manifest.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

struct Removed {
  std::string path;
  std::optional<std::string> label;
  int64_t bytes = 0;
  std::string version;
  std::string content;  // XXH3-128 of the file; empty if it was rejected

  bool operator==(const Removed&) const = default;
};

// "features/_pomona/removed-<hash>.parquet". The name follows from the content and stands in the
// manifest, so that the list changes in the moment in which the dataset does.
std::string RemovedName(const std::string& hash);

// The list that `manifest` names; empty if it names none.
Result<std::vector<Removed>> ReadRemoved(const io::Store& store, const Manifest& manifest);

// Writes the list, sorted by path, and makes `manifest` name it. Writes nothing for an empty list,
// nor if the very list is there.
Status WriteRemoved(io::Store* store, std::vector<Removed> removed, Manifest* manifest);

}  // namespace pomona::dataset
