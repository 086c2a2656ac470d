// Making a set of parts the dataset.
#pragma once

#include <optional>
#include <string>

#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/manifest.h"
#include "pomona/dataset/part.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

// Writes one part under its key and gives its manifest entry.
Result<PartEntry> WritePart(io::Store* store, const Part& part, const PartIdentity& identity);

// The entry of a part that an earlier run wrote and did not commit, or nothing if there is no such
// file or it is not whole.
Result<std::optional<PartEntry>> FindPart(const io::Store& store, const PartIdentity& identity);

// The bytes of rejected.parquet: every rejected image of the dataset's parts.
Result<std::string> EncodeRejected(const Dataset& dataset);

// Writes rejected.parquet (every rejected image of the manifest's parts), then the manifest, then
// removes the parts that only the manifest before it named. A reader sees the dataset before or
// after, never a mixture. Fails, leaving the old dataset, if a part of `manifest` is not there.
Status Commit(io::Store* store, const Manifest& manifest);

}  // namespace pomona::dataset
