#include "pomona/model/resnet50.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openvino/op/convolution.hpp>

#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using ::testing::HasSubstr;

const Tensors& Torchvision() {
  static const Tensors tensors = *ReadWeights(TestWeights("resnet50.safetensors"));
  return tensors;
}
const Tensors& Keras() {
  static const Tensors tensors = *ReadWeights(TestWeights("resnet50.h5"));
  return tensors;
}

Result<std::shared_ptr<ov::Model>> BuildTorchvision(const Tensors& tensors) {
  return BuildResnet50(Architecture::kResnet50Torchvision, Input(), tensors, "w.pth");
}
Result<std::shared_ptr<ov::Model>> BuildKeras(const Tensors& tensors) {
  return BuildResnet50(Architecture::kResnet50Keras, Input(), tensors, "w.h5");
}

// Kernel sizes of the convolutions that move in steps of two.
std::vector<size_t> StridedKernels(const ov::Model& model) {
  std::vector<size_t> kernels;
  for (const auto& node : model.get_ordered_ops()) {
    const auto conv = ov::as_type_ptr<ov::op::v1::Convolution>(node);
    if (conv != nullptr && conv->get_strides()[0] == 2) {
      kernels.push_back(conv->get_input_shape(1)[2]);
    }
  }
  std::sort(kernels.begin(), kernels.end());
  return kernels;
}

TEST(Resnet50Test, StridesAreWhereEachPublisherPutsThem) {
  ASSERT_OK_AND_ASSIGN(const auto keras, BuildKeras(Keras()));
  EXPECT_EQ(StridedKernels(*keras), (std::vector<size_t>{1, 1, 1, 1, 1, 1, 7}));
  ASSERT_OK_AND_ASSIGN(const auto torchvision, BuildTorchvision(Torchvision()));
  EXPECT_EQ(StridedKernels(*torchvision), (std::vector<size_t>{1, 1, 1, 3, 3, 3, 7}));
}

TEST(Resnet50Test, OtherImageSizesWork) {
  Input input;
  input.width = 160;
  input.height = 96;
  ASSERT_OK_AND_ASSIGN(const auto model,
                       BuildResnet50(Architecture::kResnet50Keras, input, Keras(), "w.h5"));
  EXPECT_EQ(model->input().get_shape(), (ov::Shape{1, 3, 96, 160}));
  EXPECT_EQ(model->output().get_shape(), (ov::Shape{1, 2048}));
}

TEST(Resnet50Test, EveryTensorMustBeThere) {
  for (const auto& [name, tensor] : Torchvision()) {
    if (name.starts_with("fc.")) continue;
    Tensors tensors = Torchvision();
    tensors.erase(name);
    EXPECT_EQ(BuildTorchvision(tensors).status().message(),
              "w.pth is a weights file of another network: tensor " + name + " is missing");
    if (name.starts_with("layer2")) break;  // the rest is the same code
  }
}

TEST(Resnet50Test, EveryTensorMustHaveItsShape) {
  Tensors tensors = Torchvision();
  tensors["layer1.0.conv2.weight"].shape = {128, 64, 3, 3};  // of a wide ResNet50
  EXPECT_EQ(BuildTorchvision(tensors).status().message(),
            "w.pth is a weights file of another network: tensor layer1.0.conv2.weight has shape "
            "128 x 64 x 3 x 3, ResNet50 needs 64 x 64 x 3 x 3");
  tensors = Keras();
  tensors["conv1_conv/bias"].shape = {};
  EXPECT_THAT(BuildKeras(tensors).status().message(),
              HasSubstr("tensor conv1_conv/bias has shape 1, ResNet50 needs 64"));
}

// ResNet101 has every tensor of ResNet50, and more.
TEST(Resnet50Test, ALargerNetworkIsNotTakenForResnet50) {
  Tensors tensors = Torchvision();
  tensors["layer3.22.conv1.weight"] = tensors["layer3.5.conv1.weight"];
  EXPECT_THAT(BuildTorchvision(tensors).status().message(),
              HasSubstr("layer3.22.conv1.weight has no place in ResNet50"));
  tensors = Keras();
  tensors["conv4_block23_1_conv/kernel"] = tensors["conv4_block6_1_conv/kernel"];
  EXPECT_THAT(BuildKeras(tensors).status().message(),
              HasSubstr("conv4_block23_1_conv/kernel has no place in ResNet50"));
}

TEST(Resnet50Test, ClassifiersAndCountersAreIgnored) {
  Tensors tensors = Torchvision();
  tensors["layer1.0.bn1.num_batches_tracked"] = {{}, {7}};
  tensors["fc.weight"] = {{3}, {1, 2, 3}};
  EXPECT_TRUE(BuildTorchvision(tensors).ok());
  tensors = Keras();
  tensors["predictions/kernel"] = {{1}, {NAN}};
  EXPECT_TRUE(BuildKeras(tensors).ok());
}

TEST(Resnet50Test, NumbersThatAreNoneAreRefused) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {NAN, inf, -inf}) {
    Tensors tensors = Keras();
    tensors["conv5_block3_3_bn/gamma"].values[2047] = bad;
    EXPECT_EQ(BuildKeras(tensors).status().message(),
              "w.h5: tensor conv5_block3_3_bn/gamma holds NaN or infinity");
  }
  Tensors tensors = Torchvision();
  tensors["bn1.running_var"].values[3] = -0.5F;
  EXPECT_EQ(BuildTorchvision(tensors).status().message(),
            "w.pth: tensor bn1.running_var holds a negative variance");
}

}  // namespace
}  // namespace pomona::model
