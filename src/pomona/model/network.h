// A card and its weights as a network that is not compiled yet.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <openvino/core/model.hpp>

#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

struct WeightsFile {
  std::filesystem::path path;
  std::string sha256;  // HashWeights
};

// The file that `card` runs on: `users_own` or, if that is empty, FindWeights(card), which is then
// held to the checksums of the card and of the first download.
Result<WeightsFile> CheckedWeights(const Card& card, const std::filesystem::path& users_own);

// One float32 input, normalised pixels of one image, and one output of card.output.dimension
// numbers. The error names the file and the tensor.
Result<std::shared_ptr<ov::Model>> BuildNetwork(const Card& card,
                                                const std::filesystem::path& weights);

// Puts what the card's `input` says into the network, which then takes 8-bit RGB, 1 x height x
// width x 3, as it is. Throws what OpenVINO throws.
std::shared_ptr<ov::Model> WithPreprocessing(const Input& input,
                                             const std::shared_ptr<ov::Model>& model);

}  // namespace pomona::model
