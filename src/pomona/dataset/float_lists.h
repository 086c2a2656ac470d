// A column of float32 lists out of a Parquet file. Not a public header.
#pragma once

#include <string>
#include <vector>

#include <parquet/file_reader.h>

#include "pomona/base/status.h"

namespace pomona::dataset {

// The numbers of all lists, one after the other. An error unless every row has a list of `size`
// float32 numbers and no null. Reads pages straight into the result: through Arrow's tables the
// same numbers are copied three times more, which takes as long as decompressing them.
Result<std::vector<float>> ReadFloatLists(parquet::ParquetFileReader* file, const std::string& name,
                                          int size);

}  // namespace pomona::dataset
