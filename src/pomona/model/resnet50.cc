#include "pomona/model/resnet50.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <openvino/opsets/opset13.hpp>

#include "pomona/base/text.h"

namespace pomona::model {
namespace {

namespace op = ov::opset13;
using Value = ov::Output<ov::Node>;

struct Stage {
  int width;  // channels of the 3x3 convolutions; a block gives four times as many
  int blocks;
};
constexpr std::array<Stage, 4> kStages = {{{64, 3}, {128, 4}, {256, 6}, {512, 3}}};
constexpr int kExpansion = 4;

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

// How the two publishers name and lay out the same network, and where they differ in it.
class Scheme {
 public:
  virtual ~Scheme() = default;

  struct Layer {
    std::string conv;
    std::string norm;
  };
  virtual Layer Stem() const = 0;
  // Stages and blocks count from 0; `i` is 1, 2, 3 for the branch and 0 for the shortcut.
  virtual Layer InBlock(int stage, int block, int i) const = 0;

  virtual std::string Kernel(const std::string& conv) const = 0;
  virtual std::string Bias(const std::string& conv) const = 0;  // "" if there is none
  // gamma, beta, mean, variance
  virtual std::array<std::string, 4> Norm(const std::string& norm) const = 0;

  virtual std::vector<int64_t> KernelShape(int out, int in, int size) const = 0;
  // Index in the file's kernel of element (o, i, y, x).
  virtual size_t KernelIndex(size_t out, size_t in, size_t size, size_t o, size_t i, size_t y,
                             size_t x) const = 0;

  virtual double epsilon() const = 0;
  // Which convolution of a stage's first block moves in steps of two: 1 (1x1) or 2 (3x3).
  virtual int strided() const = 0;
  // Whether a tensor that this network has no place for belongs to a larger network, rather than to
  // a classifier or to training.
  virtual bool IsForeign(std::string_view name) const = 0;
};

// keras.applications.ResNet50
class KerasScheme : public Scheme {
 public:
  Layer Stem() const override { return {"conv1_conv", "conv1_bn"}; }
  Layer InBlock(int stage, int block, int i) const override {
    const std::string prefix = "conv" + std::to_string(stage + 2) + "_block" +
                               std::to_string(block + 1) + "_" + std::to_string(i);
    return {prefix + "_conv", prefix + "_bn"};
  }
  std::string Kernel(const std::string& conv) const override { return conv + "/kernel"; }
  std::string Bias(const std::string& conv) const override { return conv + "/bias"; }
  std::array<std::string, 4> Norm(const std::string& norm) const override {
    return {norm + "/gamma", norm + "/beta", norm + "/moving_mean", norm + "/moving_variance"};
  }
  std::vector<int64_t> KernelShape(int out, int in, int size) const override {
    return {size, size, in, out};
  }
  size_t KernelIndex(size_t out, size_t in, size_t size, size_t o, size_t i, size_t y,
                     size_t x) const override {
    return ((y * size + x) * in + i) * out + o;
  }
  double epsilon() const override { return 1.001e-5; }
  int strided() const override { return 1; }
  bool IsForeign(std::string_view name) const override { return name.starts_with("conv"); }
};

// torchvision.models.resnet50
class TorchvisionScheme : public Scheme {
 public:
  Layer Stem() const override { return {"conv1", "bn1"}; }
  Layer InBlock(int stage, int block, int i) const override {
    const std::string prefix =
        "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".";
    if (i == 0) return {prefix + "downsample.0", prefix + "downsample.1"};
    return {prefix + "conv" + std::to_string(i), prefix + "bn" + std::to_string(i)};
  }
  std::string Kernel(const std::string& conv) const override { return conv + ".weight"; }
  std::string Bias(const std::string&) const override { return ""; }
  std::array<std::string, 4> Norm(const std::string& norm) const override {
    return {norm + ".weight", norm + ".bias", norm + ".running_mean", norm + ".running_var"};
  }
  std::vector<int64_t> KernelShape(int out, int in, int size) const override {
    return {out, in, size, size};
  }
  size_t KernelIndex(size_t, size_t in, size_t size, size_t o, size_t i, size_t y,
                     size_t x) const override {
    return ((o * in + i) * size + y) * size + x;
  }
  double epsilon() const override { return 1e-5; }
  int strided() const override { return 2; }
  bool IsForeign(std::string_view name) const override {
    return (name.starts_with("layer") || name.starts_with("conv") || name.starts_with("bn")) &&
           !name.ends_with("num_batches_tracked");
  }
};

struct Convolution {
  int in = 0;
  int out = 0;
  int size = 1;
  int stride = 1;
};

class Builder {
 public:
  Builder(const Scheme& scheme, const Tensors& tensors, const std::string& file)
      : scheme_(scheme), tensors_(tensors), file_(file) {}

  Result<std::shared_ptr<ov::Model>> Build(const Input& input) {
    const auto image = std::make_shared<op::Parameter>(
        ov::element::f32,
        ov::Shape{1, 3, static_cast<size_t>(input.height), static_cast<size_t>(input.width)});
    image->output(0).set_names({"image"});
    ARROW_ASSIGN_OR_RAISE(Value x, Stem(image));
    int channels = kStages[0].width;
    for (int stage = 0; stage < static_cast<int>(kStages.size()); ++stage) {
      for (int block = 0; block < kStages[static_cast<size_t>(stage)].blocks; ++block) {
        ARROW_ASSIGN_OR_RAISE(x, Block(x, stage, block, channels));
        channels = kExpansion * kStages[static_cast<size_t>(stage)].width;
      }
    }
    ARROW_RETURN_NOT_OK(NothingForeign());
    const auto axes = op::Constant::create(ov::element::i64, {2}, {2, 3});
    const auto features = std::make_shared<op::ReduceMean>(x, axes, false);
    features->output(0).set_names({"features"});
    return std::make_shared<ov::Model>(ov::OutputVector{features}, ov::ParameterVector{image},
                                       "resnet50");
  }

 private:
  Result<Value> Stem(const Value& image) {
    const int width = kStages[0].width;
    ARROW_ASSIGN_OR_RAISE(Value x, Layer(image, scheme_.Stem(), {3, width, 7, 2}));
    x = std::make_shared<op::Relu>(x);
    // Keras pads with zeros, torchvision with minus infinity: after ReLU the maximum is the same.
    const auto pool = std::make_shared<op::MaxPool>(
        x, ov::Strides{2, 2}, ov::Strides{1, 1}, ov::Shape{1, 1}, ov::Shape{1, 1}, ov::Shape{3, 3});
    return pool->output(0);
  }

  Result<Value> Block(const Value& x, int stage, int block, int in) {
    const int width = kStages[static_cast<size_t>(stage)].width;
    const int out = kExpansion * width;
    const int stride = stage > 0 && block == 0 ? 2 : 1;
    const int stride1 = scheme_.strided() == 1 ? stride : 1;
    const int stride2 = scheme_.strided() == 2 ? stride : 1;
    const auto layer = [&](int i) { return scheme_.InBlock(stage, block, i); };

    Value shortcut = x;
    if (block == 0) {
      ARROW_ASSIGN_OR_RAISE(shortcut, Layer(x, layer(0), {in, out, 1, stride}));
    }
    ARROW_ASSIGN_OR_RAISE(Value y, Layer(x, layer(1), {in, width, 1, stride1}));
    y = std::make_shared<op::Relu>(y);
    ARROW_ASSIGN_OR_RAISE(y, Layer(y, layer(2), {width, width, 3, stride2}));
    y = std::make_shared<op::Relu>(y);
    ARROW_ASSIGN_OR_RAISE(y, Layer(y, layer(3), {width, out, 1, 1}));
    y = std::make_shared<op::Add>(y, shortcut);
    return std::make_shared<op::Relu>(y)->output(0);
  }

  // Convolution and the batch norm behind it, as one convolution with bias.
  Result<Value> Layer(const Value& x, const Scheme::Layer& names, const Convolution& conv) {
    ARROW_ASSIGN_OR_RAISE(const Folded folded, Fold(names, conv));
    const auto out = static_cast<size_t>(conv.out);
    const auto in = static_cast<size_t>(conv.in);
    const auto size = static_cast<size_t>(conv.size);
    const auto stride = static_cast<size_t>(conv.stride);
    const auto pad = static_cast<std::ptrdiff_t>(conv.size / 2);
    const auto kernel =
        op::Constant::create(ov::element::f32, {out, in, size, size}, folded.kernel);
    const auto bias = op::Constant::create(ov::element::f32, {1, out, 1, 1}, folded.bias);
    const auto node = std::make_shared<op::Convolution>(
        x, kernel, ov::Strides{stride, stride}, ov::CoordinateDiff{pad, pad},
        ov::CoordinateDiff{pad, pad}, ov::Strides{1, 1});
    node->set_friendly_name(names.conv);
    return std::make_shared<op::Add>(node, bias)->output(0);
  }

  struct Folded {
    std::vector<float> kernel;  // out x in x size x size
    std::vector<float> bias;
  };

  Result<Folded> Fold(const Scheme::Layer& names, const Convolution& conv) {
    ARROW_ASSIGN_OR_RAISE(
        const Tensor* kernel,
        Get(scheme_.Kernel(names.conv), scheme_.KernelShape(conv.out, conv.in, conv.size)));
    const Tensor* bias = nullptr;
    if (const std::string name = scheme_.Bias(names.conv); !name.empty()) {
      ARROW_ASSIGN_OR_RAISE(bias, Get(name, {conv.out}));
    }
    std::array<const Tensor*, 4> norm;
    const auto norm_names = scheme_.Norm(names.norm);
    for (size_t i = 0; i < norm.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(norm[i], Get(norm_names[i], {conv.out}));
    }
    const auto& [gamma, beta, mean, variance] = norm;

    Folded folded;
    folded.kernel.resize(kernel->values.size());
    for (size_t o = 0; o < static_cast<size_t>(conv.out); ++o) {
      if (variance->values[o] < 0) {
        return Status::Invalid(file_, ": tensor ", norm_names[3], " holds a negative variance");
      }
      const double scale = gamma->values[o] / std::sqrt(variance->values[o] + scheme_.epsilon());
      ScaleKernel(*kernel, conv, o, scale, &folded.kernel);
      const double before = bias == nullptr ? 0.0 : bias->values[o];
      folded.bias.push_back(
          static_cast<float>((before - mean->values[o]) * scale + beta->values[o]));
    }
    return folded;
  }

  // Writes output channel `o` of `kernel`, times `scale`, in OpenVINO's layout.
  void ScaleKernel(const Tensor& kernel, const Convolution& conv, size_t o, double scale,
                   std::vector<float>* out) const {
    const auto in = static_cast<size_t>(conv.in);
    const auto size = static_cast<size_t>(conv.size);
    const auto channels = static_cast<size_t>(conv.out);
    size_t at = o * in * size * size;
    for (size_t i = 0; i < in; ++i) {
      for (size_t y = 0; y < size; ++y) {
        for (size_t x = 0; x < size; ++x) {
          const size_t from = scheme_.KernelIndex(channels, in, size, o, i, y, x);
          (*out)[at++] = static_cast<float>(kernel.values[from] * scale);
        }
      }
    }
  }

  Result<const Tensor*> Get(const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return Wrong(name, "is missing");
    const Tensor& tensor = found->second;
    if (tensor.shape != shape) {
      return Wrong(name,
                   "has shape " + ShapeText(tensor.shape) + ", ResNet50 needs " + ShapeText(shape));
    }
    const auto finite = [](float v) { return std::isfinite(v); };
    if (!std::all_of(tensor.values.begin(), tensor.values.end(), finite)) {
      return Status::Invalid(file_, ": tensor ", name, " holds NaN or infinity");
    }
    used_.insert(name);
    return &tensor;
  }

  Status NothingForeign() const {
    for (const auto& [name, tensor] : tensors_) {
      if (!used_.contains(name) && scheme_.IsForeign(name)) {
        return Wrong(Quoted(ToUtf8(name)), "has no place in ResNet50");
      }
    }
    return Status::OK();
  }

  Status Wrong(const std::string& tensor, const std::string& what) const {
    return Status::Invalid(file_, " is a weights file of another network: tensor ", tensor, " ",
                           what);
  }

  const Scheme& scheme_;
  const Tensors& tensors_;
  const std::string& file_;
  std::set<std::string> used_;
};

}  // namespace

Result<std::shared_ptr<ov::Model>> BuildResnet50(Architecture architecture, const Input& input,
                                                 const Tensors& tensors, const std::string& file) {
  const KerasScheme keras;
  const TorchvisionScheme torchvision;
  const Scheme& scheme = architecture == Architecture::kResnet50Keras
                             ? static_cast<const Scheme&>(keras)
                             : static_cast<const Scheme&>(torchvision);
  try {
    return Builder(scheme, tensors, file).Build(input);
  } catch (const std::exception& e) {
    return Status::UnknownError(file, ": OpenVINO cannot build ResNet50: ", e.what());
  }
}

}  // namespace pomona::model
