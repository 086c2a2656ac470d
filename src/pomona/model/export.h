// A network as files for other programs.
#pragma once

#include <filesystem>

#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

// Writes two OpenVINO IRs into `folder`: network.xml, which takes one normalised image as float32,
// and preprocess.xml, which makes that of 8-bit RGB, 1 x height x width x 3, as the card's `input`
// says. Each has one input, one output and a .bin.
Status ExportNetwork(const Card& card, const std::filesystem::path& weights,
                     const std::filesystem::path& folder);

}  // namespace pomona::model
