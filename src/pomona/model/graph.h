// Networks that come as a file: ONNX or OpenVINO IR, with a card that names their nodes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <openvino/core/model.hpp>

#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

// Reads the file and cuts the network behind the card's output, so that nothing unused is computed:
// one input of 1 x 3 x height x width (or 1 x height x width x 3), one output of card.output
// .dimension numbers, no NaN among its constants. The error names the file and the node.
Result<std::shared_ptr<ov::Model>> ReadGraph(const Card& card, const std::filesystem::path& file);

// Which axis of a network's input has the three channels: "NCHW" or "NHWC".
std::string InputLayout(const ov::Model& model);

// The text of an OpenVINO exception on one line, without source positions.
std::string OneLine(const std::string& text);

}  // namespace pomona::model
