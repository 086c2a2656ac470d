// A network ready to run: pixels -> feature vector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

enum class Precision { kF32, kBf16 };

// "f32" "bf16"; UsageError that lists them, or that says why this CPU cannot.
Result<Precision> ParsePrecision(std::string_view text);
std::string ToString(Precision precision);

struct RunnerOptions {
  Precision precision = Precision::kF32;
  int threads = 1;                // inferences that may run at the same time, one CPU each
  std::filesystem::path weights;  // empty: FindWeights(card)
};

class Runner {
 public:
  // Reads the weights, checks them (checksum the card states, every tensor's presence and shape,
  // no NaN or infinity) and compiles the network. The error names the file and the tensor.
  static Result<std::unique_ptr<Runner>> Load(const Card& card, const RunnerOptions& options);
  virtual ~Runner() = default;

  virtual const Card& card() const = 0;
  virtual Precision precision() const = 0;
  virtual const std::string& weights_sha256() const = 0;
  int dimension() const { return card().output.dimension; }

  // One image: card().input.height x width x 3 bytes of RGB in, dimension() numbers out. The same
  // bits for the same pixels whatever `threads` is. Thread-safe; calls beyond `threads` wait.
  virtual Status Run(std::span<const uint8_t> rgb, std::span<float> features) = 0;
};

}  // namespace pomona::model
