// One image: bytes -> row or rejection.
#pragma once

#include <vector>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/dataset/part.h"
#include "pomona/image/decode.h"
#include "pomona/image/recipe.h"
#include "pomona/io/source.h"
#include "pomona/model/runner.h"

namespace pomona::extract {

struct Featurized {
  dataset::Row row;
  std::vector<float> feature;
};

// Reads, decodes, prepares and runs one image. A rejection is about the image; an error (the
// network failed, the machine is out of memory) ends the run. Thread-safe.
class Featurizer {
 public:
  Featurizer(const io::Source& source, model::Runner* runner, const image::Recipe& recipe,
             const image::DecodeLimits& limits)
      : source_(source), runner_(runner), recipe_(recipe), limits_(limits) {}

  Result<Outcome<Featurized>> Run(const io::Entry& entry) const;

 private:
  const io::Source& source_;
  model::Runner* runner_;
  const image::Recipe& recipe_;
  const image::DecodeLimits& limits_;
};

}  // namespace pomona::extract
