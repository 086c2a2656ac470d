// Features at rest, as readers see them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/dataset/manifest.h"
#include "pomona/dataset/part.h"
#include "pomona/io/store.h"

namespace pomona::dataset {

class Dataset {
 public:
  // The dataset committed in `store` (a results folder). NothingToRead if there is none, with what
  // to run. The store must outlive it.
  static Result<Dataset> Open(const io::Store& store);
  // The dataset that `manifest` describes, committed or about to be.
  Dataset(const io::Store& store, Manifest manifest)
      : store_(&store), manifest_(std::move(manifest)) {}

  const Manifest& manifest() const { return manifest_; }
  // Of the manifest in the store when this was opened; nothing if it is not committed yet.
  const std::optional<std::string>& version() const { return version_; }
  int64_t rows() const { return manifest_.rows(); }
  int dimension() const { return manifest_.dimension(); }
  size_t num_parts() const { return manifest_.parts.size(); }

  // Part `i` of the manifest, checked against its recorded size, hash and row count.
  // Thread-safe. `ReadRows` leaves `features` empty and is much cheaper.
  Result<Part> ReadPart(size_t i) const;
  Result<Part> ReadRows(size_t i) const;

 private:
  Result<DecodedPart> Load(size_t i, bool with_features) const;

  const io::Store* store_;
  Manifest manifest_;
  std::optional<std::string> version_;
};

}  // namespace pomona::dataset
