// One image: bytes -> row or rejection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pomona/base/profile.h"
#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/dataset/part.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"
#include "pomona/image/recipe.h"
#include "pomona/image/sandbox.h"
#include "pomona/io/source.h"
#include "pomona/model/runner.h"

namespace pomona::extract {

// An image that is ready for the network.
struct Prepared {
  dataset::Row row;
  image::Image image;
};

struct Featurized {
  dataset::Row row;
  std::vector<float> feature;
};

// Decodes, prepares and runs images. A rejection is about the image; an error (the network
// or the sandbox failed) ends the run. Decodes in `sandbox` if there is one. `profile`, if any,
// gets the stages "decode", "resize", "denoise" and "infer". Thread-safe.
class Featurizer {
 public:
  Featurizer(model::Runner* runner, const image::Recipe& recipe, const image::DecodeLimits& limits,
             image::Sandbox* sandbox = nullptr, Profile* profile = nullptr)
      : runner_(runner), recipe_(recipe), limits_(limits), sandbox_(sandbox), profile_(profile) {}

  // How many images one of `threads` should prepare before it runs them, if `remaining` are left
  // and those that are prepared may take `bytes`: a network is faster on images in a row than in
  // turns with other work. Fewer towards the end, so that all threads end at the same time.
  size_t GroupSize(int64_t bytes, size_t remaining, int threads) const;

  // All but the network. `bytes` is what the source gave for `entry`.
  Result<Outcome<Prepared>> Prepare(const io::Entry& entry,
                                    const Outcome<std::vector<uint8_t>>& bytes) const;
  // The same from pixels on; the row stays empty.
  Result<Outcome<Prepared>> Prepare(const image::Image& decoded) const;
  // The network.
  Result<Outcome<Featurized>> Infer(Prepared prepared) const;

 private:
  Result<Outcome<Prepared>> DecodeAndPrepare(const io::Entry& entry,
                                             const std::vector<uint8_t>& bytes) const;

  model::Runner* runner_;
  const image::Recipe& recipe_;
  const image::DecodeLimits& limits_;
  image::Sandbox* sandbox_;
  Profile* profile_;
};

}  // namespace pomona::extract
