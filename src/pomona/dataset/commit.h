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

// Writes one part under its key and gives its manifest entry. A part is written once: where another
// run has written a sound one under this key, the entry is that one's.
Result<PartEntry> WritePart(io::Store* store, const Part& part, const PartIdentity& identity);

// The entry of a part that an earlier run wrote and did not commit, or nothing if there is no such
// file or it is not whole.
Result<std::optional<PartEntry>> FindPart(const io::Store& store, const PartIdentity& identity);

// The bytes of rejected.parquet: every rejected image of the dataset's parts.
Result<std::string> EncodeRejected(const Dataset& dataset);

// Puts the manifest in place of the one of `replaced`, the dataset that the caller began with
// (null: there was none), then writes rejected.parquet (every rejected image of its parts) and
// removes the parts that only the manifest before it named. A reader sees the dataset before or
// after, never a mixture. Fails, leaving the dataset that is there, if a part of `manifest` is not
// there; with Conflict if somebody else has committed something else since `replaced` was opened:
// of any number of runs that began with the same dataset one succeeds (Store::PutIf).
Status Commit(io::Store* store, const Manifest& manifest, const Dataset* replaced = nullptr);

}  // namespace pomona::dataset
