#include "pomona/model/graph.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>

#include "pomona/model/checksum.h"
#include "pomona/model/runner.h"
#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;
namespace op = ov::opset13;

// "image" -> * weight (3 numbers) -> "colours", the mean colour -> "head", its sum.
struct TinyNetwork {
  ov::PartialShape shape = {1, 3, 32, 32};
  std::vector<float> weight = {1, 10, 100};
  ov::element::Type type = ov::element::f32;
  bool nhwc = false;

  fs::path Save(const TempFolder& folder) const {
    const auto image = std::make_shared<op::Parameter>(type, shape);
    image->set_friendly_name("image");
    image->output(0).set_names({"image"});
    const ov::Shape channels = nhwc ? ov::Shape{1, 1, 1, 3} : ov::Shape{1, 3, 1, 1};
    const auto scale = op::Constant::create(type, channels, weight);
    scale->set_friendly_name("scale");
    const auto scaled = std::make_shared<op::Multiply>(image, scale);
    const auto axes = op::Constant::create(
        ov::element::i64, {2}, nhwc ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{2, 3});
    const auto colours = std::make_shared<op::ReduceMean>(scaled, axes, false);
    colours->set_friendly_name("pool");
    colours->output(0).set_names({"colours"});
    const auto last = op::Constant::create(ov::element::i64, {1}, {1});
    const auto head = std::make_shared<op::ReduceSum>(colours, last, false);
    head->output(0).set_names({"head"});
    const fs::path path = folder.path() / "tiny.xml";
    ov::save_model(std::make_shared<ov::Model>(ov::OutputVector{head}, ov::ParameterVector{image}),
                   path.string(), false);
    return path;
  }
};

Card TinyCard() {
  Card card;
  card.id = "tiny";
  card.input.width = 32;
  card.input.height = 32;
  card.output = {"colours", 3};
  return card;
}

// What the network makes of an image that is (10, 20, 30) everywhere.
Result<std::vector<float>> Colours(const Card& card, const fs::path& file) {
  ARROW_ASSIGN_OR_RAISE(const auto runner, Runner::Load(card, {.weights = file}));
  std::vector<uint8_t> rgb;
  for (int i = 0; i < 32 * 32; ++i) rgb.insert(rgb.end(), {10, 20, 30});
  std::vector<float> features(static_cast<size_t>(card.output.dimension));
  ARROW_RETURN_NOT_OK(runner->Run(rgb, features));
  return features;
}

TEST(GraphTest, ChannelsMeanAndScaleAreAppliedInTheCardsOrder) {
  const TempFolder folder;
  const fs::path file = TinyNetwork().Save(folder);
  Card card = TinyCard();
  ASSERT_OK_AND_ASSIGN(const auto plain, Colours(card, file));
  EXPECT_THAT(plain, ElementsAre(10, 200, 3000));
  card.input.mean = {1, 2, 3};
  card.input.scale = {1, 2, 4};
  ASSERT_OK_AND_ASSIGN(const auto scaled, Colours(card, file));
  EXPECT_THAT(scaled, ElementsAre(9, 90, 675));
  card.input.channels = "bgr";
  ASSERT_OK_AND_ASSIGN(const auto swapped, Colours(card, file));
  EXPECT_THAT(swapped, ElementsAre(29, 90, 175));
}

TEST(GraphTest, DynamicHalfPrecisionAndChannelsLastNetworksWork) {
  const TempFolder folder;
  for (const TinyNetwork& network :
       {TinyNetwork{.shape = {-1, 3, -1, -1}}, TinyNetwork{.shape = ov::PartialShape::dynamic(4)},
        TinyNetwork{.type = ov::element::f16},
        TinyNetwork{.shape = {-1, 32, 32, 3}, .nhwc = true}}) {
    ASSERT_OK_AND_ASSIGN(const auto colours, Colours(TinyCard(), network.Save(folder)));
    EXPECT_THAT(colours, ElementsAre(10, 200, 3000)) << network.shape << network.type;
  }
}

TEST(GraphTest, TheOutputIsFoundByTensorNodeOrAlone) {
  const TempFolder folder;
  const fs::path file = TinyNetwork().Save(folder);
  Card card = TinyCard();
  card.output.node = "pool";
  ASSERT_OK_AND_ASSIGN(const auto by_node, Colours(card, file));
  EXPECT_THAT(by_node, ElementsAre(10, 200, 3000));
  card.output = {"", 1};
  ASSERT_OK_AND_ASSIGN(const auto only, Colours(card, file));
  EXPECT_THAT(only, ElementsAre(3210));
}

TEST(GraphTest, WhatIsBehindTheOutputIsCutAway) {
  Card card = TinyCard();
  card.input = Input();
  card.output = {"features", 1280};
  ASSERT_OK_AND_ASSIGN(const auto model,
                       ReadGraph(card, POMONA_SOURCE_DIR "/models/efficientnet-lite0.xml"));
  for (const auto& node : model->get_ordered_ops()) {
    EXPECT_EQ(node->get_friendly_name().find("_fc"), std::string::npos);
  }
  EXPECT_EQ(model->outputs().size(), 1U);
}

TEST(GraphTest, CardAndNetworkMustAgree) {
  const TempFolder folder;
  const fs::path file = TinyNetwork().Save(folder);
  const auto message = [&](const auto& change) {
    Card card = TinyCard();
    change(card);
    return ReadGraph(card, file).status().message();
  };
  EXPECT_THAT(message([](Card& c) { c.output.node = "pooled"; }),
              HasSubstr("tiny.xml: it has no node pooled, which the card gives as output.node; "
                        "its outputs are head"));
  EXPECT_THAT(message([](Card& c) { c.input.node = "data"; }),
              HasSubstr("it has no input data, which the card gives as input.node; its input is "
                        "image"));
  EXPECT_THAT(message([](Card& c) { c.output.dimension = 4; }),
              HasSubstr("output colours has shape [1,3], but the card says that it has 4 numbers"));
  EXPECT_THAT(
      message([](Card& c) { c.input.width = 64; }),
      HasSubstr("input image has shape [1,3,32,32], which is not one RGB image of 64 x 32"));
  EXPECT_THAT(message([](Card& c) { c.output.node = "scale"; }), HasSubstr("depends on 0 inputs"));
}

TEST(GraphTest, NanIsRefusedWhereItMatters) {
  const TempFolder folder;
  const fs::path nan = TinyNetwork{.weight = {1, NAN, 3}}.Save(folder);
  EXPECT_THAT(ReadGraph(TinyCard(), nan).status().message(), HasSubstr("tensor scale holds NaN"));
  const float inf = std::numeric_limits<float>::infinity();
  const fs::path mask = TinyNetwork{.weight = {1, -inf, 3}}.Save(folder);
  EXPECT_TRUE(ReadGraph(TinyCard(), mask).ok());  // as attention masks have
}

TEST(GraphTest, CutOrMissingFilesAreErrors) {
  const TempFolder folder;
  const fs::path models = POMONA_SOURCE_DIR "/models";
  const std::string xml = ReadAll(models / "efficientnet-lite0.xml");
  const std::string bin = ReadAll(models / "efficientnet-lite0.bin");
  Card card = TinyCard();
  card.input = Input();
  card.output = {"features", 1280};
  const auto message = [&](const std::string& xml_text, const std::string& bin_bytes) {
    folder.Write("net.bin", bin_bytes);
    return ReadGraph(card, folder.Write("net.xml", xml_text)).status().message();
  };
  EXPECT_EQ(message(xml, bin), "");
  EXPECT_THAT(message(xml, bin.substr(0, bin.size() / 2)), HasSubstr("net.xml: OpenVINO cannot"));
  EXPECT_THAT(message(xml, ""), HasSubstr("cut short"));
  EXPECT_THAT(message(xml.substr(0, xml.size() / 2), bin), HasSubstr("cut short"));
  EXPECT_THAT(message("", bin), HasSubstr("cut short"));
  fs::remove(folder.path() / "net.bin");
  EXPECT_THAT(ReadGraph(card, folder.Write("net.xml", xml)).status().message(),
              HasSubstr(".bin missing"));
  EXPECT_FALSE(Runner::Load(card, {.weights = folder.path() / "net.xml"}).ok());
  EXPECT_FALSE(ReadGraph(card, folder.path() / "absent.xml").ok());
  EXPECT_THAT(ReadGraph(card, folder.Write("net.pb", "x")).status().message(),
              HasSubstr("must end in .onnx or .xml"));
}

// Protocol buffers, the encoding of ONNX: a length-delimited field, and a varint field.
std::string Field(int number, const std::string& bytes) {
  std::string size;
  size_t n = bytes.size();
  for (; n >= 0x80; n >>= 7) size += static_cast<char>(n | 0x80);
  size += static_cast<char>(n);
  return static_cast<char>(number << 3 | 2) + size + bytes;
}
std::string Field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}

// A network of one node, GlobalAveragePool, as onnx.proto lays it out.
std::string TinyOnnx() {
  const auto dimension = [](int size) { return Field(1, Field(1, size)); };
  const auto value = [](const std::string& name, const std::string& dimensions) {
    return Field(1, name) + Field(2, Field(1, Field(1, 1) + Field(2, dimensions)));
  };
  const std::string node = Field(1, std::string("image")) + Field(2, std::string("pooled")) +
                           Field(3, std::string("pool")) +
                           Field(4, std::string("GlobalAveragePool"));
  const std::string graph =
      Field(1, node) + Field(2, std::string("tiny")) +
      Field(11, value("image", dimension(1) + dimension(3) + dimension(32) + dimension(32))) +
      Field(12, value("pooled", dimension(1) + dimension(3) + dimension(1) + dimension(1)));
  return Field(1, 8) + Field(7, graph) + Field(8, Field(2, 13));
}

TEST(GraphTest, OnnxIsReadAndACutFileIsAnError) {
  const TempFolder folder;
  const std::string onnx = TinyOnnx();
  Card card = TinyCard();
  card.input.node = "image";
  card.output.node = "pooled";
  ASSERT_OK_AND_ASSIGN(const auto colours, Colours(card, folder.Write("tiny.onnx", onnx)));
  EXPECT_THAT(colours, ElementsAre(10, 20, 30));
  for (size_t size = 0; size < onnx.size(); size += 5) {
    const Status status = ReadGraph(card, folder.Write("cut.onnx", onnx.substr(0, size))).status();
    EXPECT_THAT(status.message(), HasSubstr("cut.onnx: ")) << size;
  }
}

TEST(GraphTest, AHashCoversBothFilesOfAnIr) {
  const TempFolder folder;
  const fs::path file = TinyNetwork().Save(folder);
  ASSERT_OK_AND_ASSIGN(const std::string before, HashWeights(file));
  TinyNetwork{.weight = {1, 10, 101}}.Save(folder);
  ASSERT_OK_AND_ASSIGN(const std::string after, HashWeights(file));
  EXPECT_NE(before, after);
}

TEST(OneLineTest, KeepsWhatMatters) {
  EXPECT_EQ(OneLine("Exception from src/core.cpp:1:\nCheck 'x' failed at y:2:\nUnable to read\n\n"),
            "Unable to read");
  EXPECT_EQ(OneLine("a\nb"), "a b");
  EXPECT_EQ(OneLine("Exception from src/core.cpp:1:"), "Exception from src/core.cpp:1:");
}

}  // namespace
}  // namespace pomona::model
