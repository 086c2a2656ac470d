// Re-reading everything that is committed.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

struct VerifyReport {
  int64_t parts = 0;
  int64_t rows = 0;
  int64_t rejected = 0;
  int64_t bytes = 0;                   // of the parts
  std::vector<std::string> problems;   // one sentence each; empty: all is well
  std::vector<std::string> leftovers;  // files that no manifest names (see CollectGarbage)
};

// Reads every part of the dataset in `store` and checks size, hash, row count, key, recipe and
// model of its footer, that every feature is finite and not all zero, that no path occurs twice,
// and that rejected.parquet holds exactly the rejected images of the parts. A problem does not end
// the reading. An error is returned only where there is no dataset to verify.
Result<VerifyReport> Verify(const io::Store& store, const Observer& observer, std::stop_token stop);

}  // namespace pomona::dataset
