// What interrupted runs left behind.
#pragma once

#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

// What nothing committed needs in a results folder: unfinished writes (Store::ListUnfinished), and
// parts that the manifest does not name (all parts if there is no manifest). Names for
// Store::Delete, sorted. Nothing else is ever listed, whatever lies in the folder.
Result<std::vector<std::string>> FindGarbage(const io::Store& store);

}  // namespace pomona::dataset
