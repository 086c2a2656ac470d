// A network ready to run: pixels -> feature vector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "pomona/base/status.h"
#include "pomona/model/card.h"
#include "pomona/model/precision.h"

namespace pomona::model {

struct RunnerOptions {
  Precision precision = Precision::kF32;
  int threads = 1;                // inferences that may run at the same time, one CPU each
  std::filesystem::path weights;  // empty: FindWeights(card)
  CpuFeatures cpu = ThisCpu();    // what `precision` is checked against
};

class Runner {
 public:
  // Reads the weights, checks them (checksum the card states, every tensor's presence and shape,
  // no NaN or infinity) and compiles the network. The error names the file and the tensor. In int8
  // the network is that of FindInt8(card), made from these very weights. UsageError if the CPU has
  // not what the precision needs, or if `card` is itself the int8 form and the precision is not.
  static Result<std::unique_ptr<Runner>> Load(const Card& card, const RunnerOptions& options);
  virtual ~Runner() = default;

  // What runs: in int8 the int8 form's own card and weights.
  virtual const Card& card() const = 0;
  virtual Precision precision() const = 0;
  virtual const std::string& weights_sha256() const = 0;
  int dimension() const { return card().output.dimension; }

  // One image: card().input.height x width x 3 bytes of RGB in, dimension() numbers out. The same
  // bits for the same pixels whatever `threads` is. Thread-safe; calls beyond `threads` wait.
  virtual Status Run(std::span<const uint8_t> rgb, std::span<float> features) = 0;
};

}  // namespace pomona::model
