#include "pomona/model/network.h"

#include <vector>

#include <openvino/core/preprocess/pre_post_process.hpp>

#include "pomona/model/checksum.h"
#include "pomona/model/graph.h"
#include "pomona/model/resnet50.h"
#include "pomona/model/weights.h"

namespace pomona::model {

// A user's own file is not held to the checksums of the published one; its hash is recorded.
Result<WeightsFile> CheckedWeights(const Card& card, const std::filesystem::path& users_own) {
  WeightsFile file{users_own, ""};
  if (users_own.empty()) {
    ARROW_ASSIGN_OR_RAISE(file.path, FindWeights(card));
  }
  ARROW_ASSIGN_OR_RAISE(file.sha256, HashWeights(file.path));
  if (users_own.empty()) {
    ARROW_RETURN_NOT_OK(CheckStated(card.weights, file.path, file.sha256));
    ARROW_RETURN_NOT_OK(CheckPinned(file.path, file.sha256));
  }
  return file;
}

Result<std::shared_ptr<ov::Model>> BuildNetwork(const Card& card,
                                                const std::filesystem::path& weights) {
  if (card.architecture == Architecture::kGraph) return ReadGraph(card, weights);
  ARROW_ASSIGN_OR_RAISE(const Tensors tensors, ReadWeights(weights));
  return BuildResnet50(card.architecture, card.input, tensors, weights.string());
}

std::shared_ptr<ov::Model> WithPreprocessing(const Input& input,
                                             const std::shared_ptr<ov::Model>& model) {
  ov::preprocess::PrePostProcessor wrapper(model);
  wrapper.input()
      .tensor()
      .set_element_type(ov::element::u8)
      .set_layout("NHWC")
      .set_color_format(ov::preprocess::ColorFormat::RGB);
  wrapper.input().model().set_layout(ov::Layout(InputLayout(*model)));
  auto& steps = wrapper.input().preprocess();
  steps.convert_element_type(ov::element::f32);
  if (input.channels == "bgr") steps.convert_color(ov::preprocess::ColorFormat::BGR);
  steps.mean(std::vector<float>(input.mean.begin(), input.mean.end()));
  steps.scale(std::vector<float>(input.scale.begin(), input.scale.end()));
  wrapper.output().tensor().set_element_type(ov::element::f32);
  return wrapper.build();
}

}  // namespace pomona::model
