#include "pomona/model/runner.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openvino/openvino.hpp>

#include "pomona/base/hash.h"
#include "pomona/model/test_files.h"
#include "pomona/testing/npz.h"

namespace pomona::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;

const std::string kGolden = POMONA_SOURCE_DIR "/tests/golden/";
constexpr size_t kImages = 50;
constexpr size_t kPixels = 224 * 224 * 3;

const uint8_t* Image(size_t i) {
  static const testing::NpyArray resized = testing::LoadNpz(kGolden + "pixels.npz", "resized");
  return resized.data<uint8_t>() + i * kPixels;
}

std::vector<std::string> Paths() {
  std::ifstream in(kGolden + "paths.txt");
  std::vector<std::string> paths;
  for (std::string line; std::getline(in, line);) paths.push_back(line);
  return paths;
}

Result<std::unique_ptr<Runner>> LoadNamed(const std::string& id, const fs::path& weights,
                                          Precision precision = Precision::kF32, int threads = 1) {
  ARROW_ASSIGN_OR_RAISE(const Card card,
                        FindCard(std::string(POMONA_SOURCE_DIR "/models/") + id + ".json"));
  return Runner::Load(card, {.precision = precision, .threads = threads, .weights = weights});
}

std::vector<float> RunOne(Runner& runner, const uint8_t* rgb) {
  std::vector<float> features(static_cast<size_t>(runner.dimension()));
  const Status status = runner.Run({rgb, kPixels}, features);
  EXPECT_TRUE(status.ok()) << status;
  return features;
}

struct Agreement {
  double cosine = 1;    // the least over the images
  double relative = 0;  // |difference| / |golden|, the largest
};

Agreement CompareWithGolden(Runner& runner, const std::string& array) {
  const testing::NpyArray golden = testing::LoadNpz(kGolden + "features.npz", array);
  const auto d = static_cast<size_t>(runner.dimension());
  EXPECT_EQ(golden.shape, (std::vector<int64_t>{kImages, runner.dimension()}));
  Agreement worst;
  for (size_t i = 0; i < kImages; ++i) {
    const std::vector<float> got = RunOne(runner, Image(i));
    const float* want = golden.data<float>() + i * d;
    double dot = 0, got2 = 0, want2 = 0, difference2 = 0;
    for (size_t j = 0; j < d; ++j) {
      dot += double{got[j]} * want[j];
      got2 += double{got[j]} * got[j];
      want2 += double{want[j]} * want[j];
      difference2 += (double{got[j]} - want[j]) * (double{got[j]} - want[j]);
    }
    worst.cosine = std::min(worst.cosine, dot / std::sqrt(got2 * want2));
    worst.relative = std::max(worst.relative, std::sqrt(difference2 / want2));
  }
  return worst;
}

struct Network {
  const char* id;
  const char* weights;  // in the folder of test weights; "" for the bundled ones
  const char* golden;
};

void PrintTo(const Network& network, std::ostream* out) { *out << network.id; }

class GoldenTest : public ::testing::TestWithParam<Network> {
 protected:
  fs::path Weights() const {
    return *GetParam().weights == '\0' ? fs::path() : TestWeights(GetParam().weights);
  }
};

// PyTorch 1.13 and Keras 3.15 computed the golden features.
TEST_P(GoldenTest, FeaturesAgreeWithTheReferenceInF32) {
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed(GetParam().id, Weights()));
  const Agreement agreement = CompareWithGolden(*runner, GetParam().golden);
  EXPECT_GE(agreement.cosine, 0.99999);
  EXPECT_LE(agreement.relative, 1e-3);
  // f32 asked for is f32 computed: bf16, with 8 bits of mantissa, is a hundred times further off.
  EXPECT_LE(agreement.relative, 2e-5);
}

TEST_P(GoldenTest, Bf16IsCloseButNotF32) {
  if (!ThisCpu().bf16) {  // on a CPU without it, it is refused
    EXPECT_TRUE(IsUsageError(LoadNamed(GetParam().id, Weights(), Precision::kBf16).status()));
    return;
  }
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed(GetParam().id, Weights(), Precision::kBf16));
  EXPECT_EQ(runner->precision(), Precision::kBf16);
  const Agreement agreement = CompareWithGolden(*runner, GetParam().golden);
  EXPECT_GE(agreement.cosine, 0.99);  // the ResNets 0.99999, EfficientNet-Lite0 0.996
  EXPECT_GT(agreement.relative, 1e-4);
}

TEST_P(GoldenTest, ThreadsDoNotChangeABit) {
  ASSERT_OK_AND_ASSIGN(const auto alone, LoadNamed(GetParam().id, Weights()));
  constexpr size_t kSome = 10;
  std::vector<std::vector<float>> expected;
  for (size_t i = 0; i < kSome; ++i) expected.push_back(RunOne(*alone, Image(i * 5)));
  for (const int threads : {2, 5}) {
    ASSERT_OK_AND_ASSIGN(const auto runner,
                         LoadNamed(GetParam().id, Weights(), Precision::kF32, threads));
    std::vector<std::vector<float>> got(kSome);
    std::vector<std::thread> callers;  // more than the runner has requests
    for (size_t c = 0; c < 7; ++c) {
      callers.emplace_back([&, c] {
        for (size_t i = c; i < kSome; i += 7) got[i] = RunOne(*runner, Image(i * 5));
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(got, expected) << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, GoldenTest,
                         ::testing::Values(Network{"efficientnet-lite0", "", "efficientnet_lite0"},
                                           Network{"resnet50", "resnet50.h5", "resnet50_keras"},
                                           Network{"resnet50-v1.5", "resnet50.pth",
                                                   "resnet50_torchvision"}),
                         [](const auto& param) {
                           std::string name = param.param.id;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

TEST(RunnerTest, SafetensorsAndPthGiveTheSameBits) {
  ASSERT_OK_AND_ASSIGN(const auto pth, LoadNamed("resnet50-v1.5", TestWeights("resnet50.pth")));
  ASSERT_OK_AND_ASSIGN(const auto safetensors,
                       LoadNamed("resnet50-v1.5", TestWeights("resnet50.safetensors")));
  for (const size_t i : {0, 17, 49}) {
    EXPECT_EQ(RunOne(*pth, Image(i)), RunOne(*safetensors, Image(i)));
  }
  EXPECT_NE(pth->weights_sha256(), safetensors->weights_sha256());
}

TEST(RunnerTest, PixelsMayLieAnywhereInMemory) {
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed("efficientnet-lite0", {}));
  const std::vector<float> expected = RunOne(*runner, Image(3));
  for (const size_t offset : {1, 3, 13}) {
    std::vector<uint8_t> shifted(offset + kPixels);
    std::copy_n(Image(3), kPixels, shifted.begin() + static_cast<std::ptrdiff_t>(offset));
    std::vector<float> room(1281);
    const std::span<float> features(room.data() + 1, 1280);
    ASSERT_OK(runner->Run(std::span(shifted).subspan(offset), features));
    EXPECT_TRUE(std::equal(features.begin(), features.end(), expected.begin()));
  }
}

TEST(RunnerTest, SpansOfTheWrongSizeAreAnError) {
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed("efficientnet-lite0", {}));
  std::vector<float> features(1280);
  const Status small = runner->Run({Image(0), kPixels - 1}, features);
  EXPECT_THAT(small.message(), HasSubstr("takes 150528 bytes and gives 1280 numbers"));
  EXPECT_FALSE(runner->Run({Image(0), kPixels}, std::span(features).first(1279)).ok());
  EXPECT_TRUE(runner->Run({Image(0), kPixels}, features).ok());
}

TEST(RunnerTest, TheBundledWeightsAreTheirCardsOwn) {
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed("efficientnet-lite0", {}));
  EXPECT_EQ(runner->weights_sha256(), runner->card().weights.sha256);
  EXPECT_EQ(runner->dimension(), 1280);
}

TEST(RunnerTest, TheBundledInt8FormAgreesWithTheReference) {
  if (!ThisCpu().vnni) GTEST_SKIP() << "int8 needs a CPU with VNNI";
  ASSERT_OK_AND_ASSIGN(const auto runner, LoadNamed("efficientnet-lite0", {}, Precision::kInt8));
  EXPECT_EQ(runner->card().id, "efficientnet-lite0-int8");
  const Agreement agreement = CompareWithGolden(*runner, "efficientnet_lite0");
  EXPECT_GE(agreement.cosine, 0.99);
  EXPECT_GT(agreement.relative, 1e-3);  // int8 asked for is int8 computed
}

// The labels of samples/fruits are ImageNet classes for three of its fruits.
TEST(RunnerTest, TheBundledNetworkKnowsItsFruits) {
  ov::CompiledModel compiled =
      ov::Core().compile_model(POMONA_SOURCE_DIR "/models/efficientnet-lite0.xml", "CPU",
                               ov::hint::inference_precision(ov::element::f32));
  ov::InferRequest request = compiled.create_infer_request();
  const testing::NpyArray golden =
      testing::LoadNpz(kGolden + "features.npz", "efficientnet_lite0_logits");
  std::map<std::string, std::map<int64_t, int>> votes;
  for (size_t i = 0; i < kImages; ++i) {
    float* input = request.get_tensor("image").data<float>();
    for (size_t p = 0; p < kPixels; ++p) {
      input[p % 3 * (kPixels / 3) + p / 3] = (static_cast<float>(Image(i)[p]) - 127) / 128;
    }
    request.infer();
    const float* logits = request.get_tensor("logits").data<const float>();
    const int64_t best = std::max_element(logits, logits + 1000) - logits;
    const float* reference = golden.data<float>() + i * 1000;
    EXPECT_EQ(best, std::max_element(reference, reference + 1000) - reference) << i;
    ++votes[Paths()[i].substr(0, Paths()[i].find('/'))][best];
  }
  EXPECT_EQ(votes["Banana"][954], 9);
  EXPECT_EQ(votes["Lemon"][951], 10);
  EXPECT_EQ(votes["Cauliflower"][938], 10);
}

TEST(RunnerTest, ThreadsBelowOneAreAUsageError) {
  const auto runner = LoadNamed("efficientnet-lite0", {}, Precision::kF32, 0);
  EXPECT_TRUE(IsUsageError(runner.status()));
}

TEST(RunnerTest, AbsentWeightsSayHowToGetThem) {
  const ScopedEnv cache("XDG_CACHE_HOME", "/nonexistent");
  const auto runner = LoadNamed("resnet50", {});
  EXPECT_THAT(runner.status().message(), HasSubstr("pomona models pull resnet50"));
  EXPECT_THAT(runner.status().message(), HasSubstr("--weights FILE"));
}

TEST(RunnerTest, WeightsInTheCacheAreHeldToTheCardsChecksumButOnesOwnAreNot) {
  const TempFolder cache;
  const ScopedEnv set("XDG_CACHE_HOME", cache.path().string());
  fs::create_directories(cache.path() / "pomona/models");
  fs::create_symlink(TestWeights("resnet50.pth"),
                     cache.path() / "pomona/models/resnet50-0676ba61.pth");
  const auto cached = LoadNamed("resnet50-v1.5", {});
  EXPECT_THAT(cached.status().message(), HasSubstr("starts with 0676ba61"));
  ASSERT_OK_AND_ASSIGN(const auto own, LoadNamed("resnet50-v1.5", TestWeights("resnet50.pth")));
  ASSERT_OK_AND_ASSIGN(const std::string sha256, Sha256File(TestWeights("resnet50.pth")));
  EXPECT_EQ(own->weights_sha256(), sha256);
}

TEST(RunnerTest, WeightsOfAnotherNetworkAreRefused) {
  const auto swapped = LoadNamed("resnet50", TestWeights("resnet50.pth"));
  EXPECT_THAT(swapped.status().message(), HasSubstr("resnet50.pth is a weights file of another"));
  EXPECT_THAT(swapped.status().message(), HasSubstr("conv1_conv/kernel is missing"));
}

// What CPUID says must be OpenVINO's own answer.
TEST(PrecisionTest, Bf16IsOfferedWhereOpenVinoHasIt) {
  const auto capabilities = ov::Core().get_property("CPU", ov::device::capabilities);
  const bool has = std::count(capabilities.begin(), capabilities.end(), "BF16") > 0;
  EXPECT_EQ(ThisCpu().bf16, has);
}

TEST(PrecisionTest, ACpuThatLacksAFeatureIsTold) {
  const CpuFeatures none;
  const auto card = FindCard(POMONA_SOURCE_DIR "/models/efficientnet-lite0.json");
  ASSERT_OK(card.status());
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    const Status refused = Runner::Load(*card, {precision, 1, {}, none}).status();
    EXPECT_TRUE(IsUsageError(refused)) << refused;
    EXPECT_THAT(refused.message(), HasSubstr("which this one has not"));
    EXPECT_THAT(refused.message(), HasSubstr("use f32"));
  }
  EXPECT_TRUE(Runner::Load(*card, {Precision::kF32, 1, {}, none}).ok());
}

}  // namespace
}  // namespace pomona::model
