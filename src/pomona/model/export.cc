#include "pomona/model/export.h"

#include <memory>

#include <openvino/core/graph_util.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "pomona/model/graph.h"
#include "pomona/model/network.h"

namespace pomona::model {
namespace {

// A network that gives its input.
std::shared_ptr<ov::Model> Identity(const ov::Shape& shape) {
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, shape);
  const auto output = std::make_shared<ov::op::v0::Result>(input);
  return std::make_shared<ov::Model>(ov::ResultVector{output}, ov::ParameterVector{input});
}

}  // namespace

Status ExportNetwork(const Card& card, const std::filesystem::path& weights,
                     const std::filesystem::path& folder) {
  ARROW_ASSIGN_OR_RAISE(const auto network, BuildNetwork(card, weights));
  try {
    const bool fp16 = false;
    const auto preprocess = WithPreprocessing(card.input, Identity(network->input().get_shape()));
    ov::save_model(preprocess, (folder / "preprocess.xml").string(), fp16);
    ov::save_model(network, (folder / "network.xml").string(), fp16);
  } catch (const std::exception& e) {
    return Status::IOError("cannot write the network of '", card.id, "' to ", folder.string(), ": ",
                           OneLine(e.what()));
  }
  return Status::OK();
}

}  // namespace pomona::model
