#include "pomona/model/graph.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include <openvino/frontend/manager.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "pomona/base/text.h"

namespace pomona::model {
namespace {

using Value = ov::Output<ov::Node>;

constexpr size_t kMaxListed = 10;  // nodes named in an error

template <typename Node>
std::string NameOf(const ov::Output<Node>& value) {
  const auto& names = value.get_names();
  return names.empty() ? value.get_node()->get_friendly_name() : *names.begin();
}

template <typename Values>  // of ov::Output, const or not
std::string NamesOf(const Values& values) {
  std::string text;
  for (size_t i = 0; i < values.size() && i < kMaxListed; ++i) {
    text += (i == 0 ? "" : ", ") + Quoted(NameOf(values[i]));
  }
  return text;
}

// The value called `name`: a tensor's name, or else the (friendly) name of the node that makes it.
std::optional<Value> Find(const ov::Model& model, const std::string& name) {
  std::optional<Value> by_node;
  for (const auto& node : model.get_ordered_ops()) {
    const bool is_result = ov::is_type<ov::op::v0::Result>(node);
    if (node->get_friendly_name() == name && !by_node) {
      by_node = is_result ? node->input_value(0) : node->output(0);
    }
    for (const Value& value : node->outputs()) {
      if (value.get_names().contains(name)) {
        return is_result ? node->input_value(0) : value;
      }
    }
  }
  return by_node;
}

Result<Value> FindOutput(const ov::Model& model, const std::string& name) {
  const auto outputs = model.outputs();
  if (name.empty()) {
    if (outputs.size() == 1) return outputs[0].get_node()->input_value(0);
    return Status::Invalid("it has ", outputs.size(), " outputs (", NamesOf(outputs),
                           "): the card must say which in output.node");
  }
  if (const auto found = Find(model, name)) return *found;
  return Status::Invalid("it has no node ", Quoted(name), ", which the card gives as output.node; ",
                         "its outputs are ", NamesOf(outputs));
}

// The network up to `output`, with the inputs that this part needs.
Result<std::shared_ptr<ov::Model>> Cut(const Value& output, const std::string& input_name) {
  const auto part = std::make_shared<ov::Model>(ov::OutputVector{output});
  const ov::OutputVector inputs = part->inputs();
  if (inputs.size() != 1) {
    return Status::Invalid("node ", Quoted(NameOf(output)), " depends on ", inputs.size(),
                           " inputs", inputs.empty() ? "" : " (" + NamesOf(inputs) + ")",
                           ", but must depend on one image");
  }
  const bool named = inputs[0].get_names().contains(input_name) ||
                     inputs[0].get_node()->get_friendly_name() == input_name;
  if (!input_name.empty() && !named) {
    return Status::Invalid("it has no input ", Quoted(input_name),
                           ", which the card gives as input.node; its input is ", NamesOf(inputs));
  }
  return part;
}

bool Fits(const ov::Dimension& dimension, int64_t size) {
  return dimension.is_dynamic() || dimension.get_length() == size;
}

// Makes the shape of the input static, one image, as the card says.
Status FixShape(const Input& input, ov::Model* model) {
  const ov::PartialShape shape = model->input().get_partial_shape();
  const ov::Shape nchw = {1, 3, static_cast<size_t>(input.height),
                          static_cast<size_t>(input.width)};
  const ov::Shape nhwc = {1, nchw[2], nchw[3], 3};
  const auto fits = [&](const ov::Shape& wanted) {
    if (shape.rank().is_dynamic()) return true;
    if (shape.size() != 4) return false;
    for (size_t i = 1; i < 4; ++i) {
      if (!Fits(shape[i], static_cast<int64_t>(wanted[i]))) return false;
    }
    return true;
  };
  if (!fits(nchw) && !fits(nhwc)) {
    return Status::Invalid("input ", Quoted(NameOf(model->input())), " has shape ",
                           shape.to_string(), ", which is not one RGB image of ", input.width,
                           " x ", input.height, " as the card says");
  }
  const ov::Shape& wanted = fits(nchw) ? nchw : nhwc;
  if (shape.is_dynamic() || shape.to_shape() != wanted) model->reshape(wanted);
  return Status::OK();
}

Status CheckOutput(const Output& output, const ov::Model& model) {
  const ov::PartialShape shape = model.output().get_partial_shape();
  const int64_t count =
      shape.is_static() ? static_cast<int64_t>(ov::shape_size(shape.to_shape())) : -1;
  if (count == output.dimension) return Status::OK();
  return Status::Invalid("output ", Quoted(output.node), " has shape ", shape.to_string(),
                         ", but the card says that it has ", output.dimension, " numbers");
}

Status CheckConstants(const ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node);
    if (constant == nullptr || !constant->get_element_type().is_real()) continue;
    const std::vector<float> values = constant->cast_vector<float>();
    const auto nan = [](float v) { return std::isnan(v); };
    if (std::any_of(values.begin(), values.end(), nan)) {
      return Status::Invalid("tensor ", Quoted(node->get_friendly_name()), " holds NaN");
    }
  }
  return Status::OK();
}

// The reader is chosen by name: OpenVINO's own choice tries all of them, and some complain on
// stderr.
Result<std::shared_ptr<ov::Model>> ReadWhole(const std::filesystem::path& file) {
  const bool onnx = file.extension() == ".onnx";
  if (!onnx && file.extension() != ".xml") {
    return Status::Invalid("its name must end in .onnx or .xml (with .bin beside it)");
  }
  const auto reader = ov::frontend::FrontEndManager().load_by_framework(onnx ? "onnx" : "ir");
  return reader->convert(reader->load(file.string()));
}

Result<std::shared_ptr<ov::Model>> ReadAndCut(const Card& card, const std::filesystem::path& file) {
  ARROW_ASSIGN_OR_RAISE(const auto whole, ReadWhole(file));
  ARROW_ASSIGN_OR_RAISE(const Value output, FindOutput(*whole, card.output.node));
  ARROW_ASSIGN_OR_RAISE(const auto model, Cut(output, card.input.node));
  ARROW_RETURN_NOT_OK(FixShape(card.input, model.get()));
  ARROW_RETURN_NOT_OK(CheckOutput(card.output, *model));
  ARROW_RETURN_NOT_OK(CheckConstants(*model));
  return model;
}

}  // namespace

std::string InputLayout(const ov::Model& model) {
  return model.input().get_shape()[1] == 3 ? "NCHW" : "NHWC";
}

std::string OneLine(const std::string& text) {
  std::istringstream lines(text);
  std::string line, out;
  while (std::getline(lines, line)) {
    if (line.empty() || line.starts_with("Exception from") || line.starts_with("Check '")) continue;
    out += (out.empty() ? "" : " ") + line;
  }
  return out.empty() ? text : out;
}

Result<std::shared_ptr<ov::Model>> ReadGraph(const Card& card, const std::filesystem::path& file) {
  const std::string context = "network file " + file.string();
  try {
    auto model = ReadAndCut(card, file);
    if (!model.ok()) return WithContext(model.status(), context);
    return model;
  } catch (const std::exception& e) {
    return Status::Invalid(context,
                           ": OpenVINO cannot read it; is it cut short, or is its .bin "
                           "missing? ",
                           OneLine(e.what()));
  }
}

}  // namespace pomona::model
