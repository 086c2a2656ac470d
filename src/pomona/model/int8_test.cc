// Cards and runners of int8 networks, with one of the test's own whose numbers int8 holds exactly.
#include <algorithm>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset13.hpp>

#include "pomona/model/checksum.h"
#include "pomona/model/runner.h"
#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

namespace fs = std::filesystem;
namespace op = ov::opset13;

constexpr int kSide = 32;
constexpr int kChannels = 16;

// Whole numbers from -127 to 127: a 1 x 1 convolution of kChannels x 3.
float Weight(int channel, int colour) {
  return static_cast<float>((channel * 37 + colour * 91) % 255 - 127);
}

// image (0 to 255) -> convolution -> mean of each channel; with `quantized`, FakeQuantize before
// and on the weights, whose steps are 1.
void SaveNetwork(const fs::path& path, bool quantized) {
  const auto image = std::make_shared<op::Parameter>(ov::element::f32, ov::Shape{1, 3, 32, 32});
  std::vector<float> values;
  for (int o = 0; o < kChannels; ++o) {
    for (int c = 0; c < 3; ++c) values.push_back(Weight(o, c));
  }
  ov::Output<ov::Node> pixels = image;
  ov::Output<ov::Node> weights =
      op::Constant::create(ov::element::f32, ov::Shape{kChannels, 3, 1, 1}, values);
  const auto quantize = [](const ov::Output<ov::Node>& x, float low, float high, size_t levels) {
    const auto l = op::Constant::create(ov::element::f32, ov::Shape{1, 1, 1, 1}, {low});
    const auto h = op::Constant::create(ov::element::f32, ov::Shape{1, 1, 1, 1}, {high});
    return std::make_shared<op::FakeQuantize>(x, l, h, l, h, levels);
  };
  if (quantized) {
    pixels = quantize(pixels, 0, 255, 256);
    weights = quantize(weights, -127, 127, 255);
  }
  const auto conv = std::make_shared<op::Convolution>(pixels, weights, ov::Strides{1, 1},
                                                      ov::CoordinateDiff{0, 0},
                                                      ov::CoordinateDiff{0, 0}, ov::Strides{1, 1});
  const auto axes = op::Constant::create(ov::element::i64, {2}, {2, 3});
  const auto mean = std::make_shared<op::ReduceMean>(conv, axes, false);
  ov::save_model(std::make_shared<ov::Model>(ov::OutputVector{mean}, ov::ParameterVector{image}),
                 path.string(), false);
}

std::vector<uint8_t> Pixels(int seed) {
  std::vector<uint8_t> rgb(kSide * kSide * 3);
  for (size_t i = 0; i < rgb.size(); ++i) {
    rgb[i] = static_cast<uint8_t>((i * 2654435761U + static_cast<size_t>(seed) * 97) >> 13);
  }
  return rgb;
}

std::vector<double> Expected(const std::vector<uint8_t>& rgb) {
  std::vector<double> mean(kChannels);
  for (size_t i = 0; i < rgb.size(); ++i) {
    for (int o = 0; o < kChannels; ++o) {
      mean[static_cast<size_t>(o)] += double{Weight(o, static_cast<int>(i % 3))} * rgb[i];
    }
  }
  for (double& m : mean) m /= kSide * kSide;
  return mean;
}

// A folder with cards and networks of `base` and `base-int8`.
class Int8Test : public ::testing::Test {
 protected:
  void SetUp() override {
    SaveNetwork(folder_.path() / "base.xml", false);
    SaveNetwork(folder_.path() / "base-int8.xml", true);
    ASSERT_OK_AND_ASSIGN(base_sha256_, HashWeights(folder_.path() / "base.xml"));
    ASSERT_OK_AND_ASSIGN(int8_sha256_, HashWeights(folder_.path() / "base-int8.xml"));
    folder_.Write("base.json", BaseCard().dump());
    folder_.Write("base-int8.json", Int8Card().dump());
  }

  static json BaseCard() {
    return {{"id", "base"},
            {"task", "image-features"},
            {"description", "test"},
            {"licence", "Apache-2.0"},
            {"architecture", "graph"},
            {"weights", {{"file", "base.xml"}}},
            {"input",
             {{"width", kSide},
              {"height", kSide},
              {"channels", "rgb"},
              {"mean", {0, 0, 0}},
              {"scale", {1, 1, 1}}}},
            {"output", {{"dimension", kChannels}}}};
  }

  json Int8Card() const {
    json card = BaseCard();
    card["id"] = "base-int8";
    card["weights"] = {{"file", "base-int8.xml"}, {"sha256", int8_sha256_}};
    card["precision"] = "int8";
    card["quantized_from"] = {{"id", "base"},
                              {"weights_sha256", base_sha256_},
                              {"calibration", {{"images", 300}}},
                              {"agreement", {{"images", 256}}}};
    return card;
  }

  Result<std::unique_ptr<Runner>> Load(Precision precision, const std::string& id = "base",
                                       int threads = 1) const {
    ARROW_ASSIGN_OR_RAISE(const Card card, ReadCard(folder_.path() / (id + ".json")));
    return Runner::Load(card, {precision, threads, {}, {.bf16 = true, .vnni = true}});
  }

  // Writes the int8 card with `value` at `pointer`, and gives what loading says.
  Status LoadWith(const char* pointer, const json& value) const {
    json card = Int8Card();
    card[json::json_pointer(pointer)] = value;
    folder_.Write("base-int8.json", card.dump());
    return Load(Precision::kInt8).status();
  }

  TempFolder folder_;
  std::string base_sha256_;
  std::string int8_sha256_;
};

TEST_F(Int8Test, RunsTheFormThatWasMadeFromTheseWeights) {
  ASSERT_OK_AND_ASSIGN(const auto runner, Load(Precision::kInt8));
  EXPECT_EQ(runner->card().id, "base-int8");
  EXPECT_EQ(runner->precision(), Precision::kInt8);
  EXPECT_EQ(runner->weights_sha256(), int8_sha256_);
  ASSERT_TRUE(runner->card().quantized_from);
  EXPECT_EQ(runner->card().quantized_from->calibration, json({{"images", 300}}));
}

TEST_F(Int8Test, ComputesWhatFloatsDo) {
  if (!ThisCpu().vnni) GTEST_SKIP() << "int8 sums saturate without VNNI";
  ASSERT_OK_AND_ASSIGN(const auto runner, Load(Precision::kInt8));
  const std::vector<uint8_t> rgb = Pixels(1);
  std::vector<float> features(kChannels);
  ASSERT_OK(runner->Run(rgb, features));
  const std::vector<double> expected = Expected(rgb);
  for (size_t i = 0; i < kChannels; ++i) EXPECT_NEAR(features[i], expected[i], 0.01) << i;
}

TEST_F(Int8Test, ThreadsDoNotChangeABit) {
  constexpr size_t kImages = 12;
  std::vector<std::vector<float>> expected(kImages, std::vector<float>(kChannels));
  ASSERT_OK_AND_ASSIGN(const auto alone, Load(Precision::kInt8));
  for (size_t i = 0; i < kImages; ++i) {
    ASSERT_OK(alone->Run(Pixels(static_cast<int>(i)), expected[i]));
  }
  for (const int threads : {2, 5}) {
    ASSERT_OK_AND_ASSIGN(const auto runner, Load(Precision::kInt8, "base", threads));
    std::vector<std::vector<float>> got(kImages, std::vector<float>(kChannels));
    std::vector<std::jthread> callers;
    for (size_t c = 0; c < 7; ++c) {
      callers.emplace_back([&, c] {
        for (size_t i = c; i < kImages; i += 7) {
          EXPECT_TRUE(runner->Run(Pixels(static_cast<int>(i)), got[i]).ok());
        }
      });
    }
    callers.clear();
    EXPECT_EQ(got, expected) << threads;
  }
}

TEST_F(Int8Test, NamedItselfItRunsInInt8Only) {
  EXPECT_TRUE(Load(Precision::kInt8, "base-int8").ok());
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    const Status refused = Load(precision, "base-int8").status();
    EXPECT_TRUE(IsUsageError(refused));
    EXPECT_THAT(refused.message(), HasSubstr("use --precision int8, or --model base"));
  }
}

TEST_F(Int8Test, NoneIsAnErrorThatSaysHowToMakeOne) {
  fs::remove(folder_.path() / "base-int8.json");
  const Status none = Load(Precision::kInt8).status();
  EXPECT_TRUE(IsUsageError(none));
  EXPECT_THAT(none.message(), HasSubstr("pomona models quantize base IMAGES"));
}

TEST_F(Int8Test, IsFoundInTheCardFoldersToo) {
  const TempFolder elsewhere;
  for (const char* name : {"base-int8.json", "base-int8.xml", "base-int8.bin"}) {
    fs::rename(folder_.path() / name, elsewhere.path() / name);
  }
  EXPECT_FALSE(Load(Precision::kInt8).ok());
  const ScopedEnv own("POMONA_MODELS", elsewhere.path().string());
  ASSERT_OK(Load(Precision::kInt8).status());
}

TEST_F(Int8Test, OnesOwnComesFirstUnlessItIsOfOtherWeights) {
  const TempFolder own;
  json card = Int8Card();
  card["description"] = "the user's";
  fs::copy_file(folder_.path() / "base-int8.xml", own.path() / "base-int8.xml");
  fs::copy_file(folder_.path() / "base-int8.bin", own.path() / "base-int8.bin");
  own.Write("base-int8.json", card.dump());
  const ScopedEnv set("POMONA_MODELS", own.path().string());
  ASSERT_OK_AND_ASSIGN(const auto users, Load(Precision::kInt8));
  EXPECT_EQ(users->card().description, "the user's");
  card["quantized_from"]["weights_sha256"] = std::string(64, 'a');
  own.Write("base-int8.json", card.dump());
  ASSERT_OK_AND_ASSIGN(const auto other, Load(Precision::kInt8));
  EXPECT_EQ(other->card().description, "test");
  own.Write("base-int8.json", "{");
  EXPECT_THAT(Load(Precision::kInt8).status().message(), HasSubstr("not valid JSON"));
}

TEST_F(Int8Test, MadeFromOtherWeightsItIsRefused) {
  const Status other = LoadWith("/quantized_from/weights_sha256", std::string(64, 'a'));
  EXPECT_TRUE(IsUsageError(other));
  EXPECT_THAT(other.message(), HasSubstr("was made from other weights of 'base'"));
  EXPECT_THAT(LoadWith("/quantized_from/id", "other").message(), HasSubstr("is not that of"));
  EXPECT_THAT(LoadWith("/input/mean/1", 5).message(), HasSubstr("another input or output"));
  EXPECT_THAT(LoadWith("/output/dimension", 5).message(), HasSubstr("another input or output"));
}

TEST_F(Int8Test, DamagedWeightsAreRefused) {
  folder_.Write("base-int8.bin", "short");
  EXPECT_THAT(Load(Precision::kInt8).status().message(), HasSubstr("is not the file it should be"));
}

TEST_F(Int8Test, ACardIsWholeOrAnError) {
  EXPECT_THAT(LoadWith("/precision", "int4").message(), HasSubstr("'precision' must be \"int8\""));
  EXPECT_THAT(LoadWith("/precision", "").message(), HasSubstr("'precision' must be \"int8\""));
  EXPECT_THAT(LoadWith("/quantized_from", 1).message(), HasSubstr("must be an object"));
  EXPECT_THAT(LoadWith("/quantized_from/weights_sha256", "abc").message(),
              HasSubstr("'quantized_from.weights_sha256' must be 64"));
  EXPECT_THAT(LoadWith("/quantized_from/what", 1).message(),
              HasSubstr("'quantized_from.what' is not a field"));
  json card = Int8Card();
  card.erase("quantized_from");
  folder_.Write("base-int8.json", card.dump());
  EXPECT_THAT(Load(Precision::kInt8).status().message(), HasSubstr("'quantized_from' is missing"));
  card = Int8Card();
  card["architecture"] = "resnet50-keras";
  folder_.Write("base-int8.json", card.dump());
  EXPECT_THAT(Load(Precision::kInt8).status().message(), HasSubstr("must be 'graph'"));
}

}  // namespace
}  // namespace pomona::model
