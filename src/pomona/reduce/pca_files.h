// The files of pca/. Not a public header: reduce.h reads and writes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"
#include "pomona/dataset/part.h"
#include "pomona/io/store.h"
#include "pomona/reduce/pca.h"
#include "pomona/reduce/reduce.h"

namespace pomona::reduce {

// model.json holds everything of a Pca but its components, which components.parquet holds:
// component int32 (from 1), explained_variance and explained_ratio double, loadings
// fixed_size_list<double>[dimension]. projection.parquet is path, label, pc1 ... pck. model.json
// and the footer of projection.parquet state a hash over all numbers of the Pca, by which a reader
// knows that the three files belong together.
class PcaWriter {
 public:
  static Result<std::unique_ptr<PcaWriter>> Open(io::Store* results, const Pca& pca);
  virtual ~PcaWriter() = default;

  // The next rows of projection.parquet, with rows.size() x k values.
  virtual Status Append(const std::vector<dataset::Row>& rows,
                        const std::vector<double>& values) = 0;

  // Replaces the files of pca/, model.json last. Without it they stay as they were.
  virtual Status Commit() = 0;
};

// Everything of a Pca but its components, to the last bit; and back, throwing json::exception.
nlohmann::json ToJson(const Pca& pca);
Pca PcaFromJson(const nlohmann::json& j);

Result<Pca> ReadPca(const io::Store& results);
Result<Projection> ReadProjection(const io::Store& results);

}  // namespace pomona::reduce
