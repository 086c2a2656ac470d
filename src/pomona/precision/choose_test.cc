#include "pomona/precision/choose.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona::precision {
namespace {

namespace fs = std::filesystem;
using model::Precision;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr int kSide = 32;
constexpr int kDimension = 48;

// Mean colours of 16 tiles, off by `error`, after `delay`.
class FakeRunner : public model::Runner {
 public:
  FakeRunner(Precision precision, float error, std::chrono::microseconds delay)
      : precision_(precision), error_(error), delay_(delay) {
    card_.output.dimension = kDimension;
  }
  const model::Card& card() const override { return card_; }
  Precision precision() const override { return precision_; }
  const std::string& weights_sha256() const override { return card_.id; }
  Status Run(std::span<const uint8_t> rgb, std::span<float> features) override {
    std::fill(features.begin(), features.end(), 0.0F);
    for (size_t i = 0; i < rgb.size(); ++i) {
      const size_t pixel = i / 3, x = pixel % kSide, y = pixel / kSide;
      features[(y / 8 * 4 + x / 8) * 3 + i % 3] += static_cast<float>(rgb[i]) / 64;
    }
    // Another sign and size for each image and number, the same on every run.
    const float scale = error_ * features[0] * std::sin(features[7] * 100);
    for (size_t i = 0; i < features.size(); ++i) {
      features[i] += scale * std::sin(static_cast<float>(i) * features[5]);
    }
    std::this_thread::sleep_for(delay_);
    return Status::OK();
  }

 private:
  model::Card card_;
  Precision precision_;
  float error_;
  std::chrono::microseconds delay_;
};

struct Fake {
  float error = 0;
  int delay_us = 0;
  std::string refusal;
};

class ChooseTest : public ::testing::Test {
 protected:
  ChooseTest() {
    images_ = fs::path(POMONA_SOURCE_DIR) / "samples/fruits";
    options_.sample.recipe.width = options_.sample.recipe.height = kSide;
    options_.sample.recipe.denoise.method = image::DenoiseMethod::kNone;
    options_.sample.threads = 2;
  }

  Result<Choice> Run(const std::map<Precision, Fake>& fakes, std::stop_token stop = {}) {
    ARROW_ASSIGN_OR_RAISE(const auto source, io::OpenSource(images_.string(), {}));
    ARROW_ASSIGN_OR_RAISE(const auto listing, source->List({}, {}));
    const auto load = [&](Precision p) -> Result<std::unique_ptr<model::Runner>> {
      const Fake& fake = fakes.at(p);
      if (!fake.refusal.empty()) return UsageError(fake.refusal);
      return std::make_unique<FakeRunner>(p, fake.error, std::chrono::microseconds(fake.delay_us));
    };
    return Choose(*source, listing, load, options_, {}, stop);
  }

  fs::path images_;
  ChooseOptions options_;
};

constexpr int kSlow = 6000, kFast = 1000;

TEST_F(ChooseTest, TakesTheFastestInsideTheBudget) {
  const auto choice = Run({{Precision::kF32, {0, kSlow, ""}},
                           {Precision::kBf16, {1e-4F, kSlow / 2, ""}},
                           {Precision::kInt8, {1e-4F, kFast, ""}}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->precision, Precision::kInt8);
  EXPECT_EQ(choice->runner->precision(), Precision::kInt8);
  ASSERT_EQ(choice->findings.size(), 3U);
  EXPECT_EQ(choice->findings[2].agreement->images, 50);
  EXPECT_GT(choice->findings[2].images_per_second, choice->findings[0].images_per_second);
}

TEST_F(ChooseTest, TheFastestOutsideTheBudgetIsPassedOver) {
  const auto choice = Run({{Precision::kF32, {0, kSlow, ""}},
                           {Precision::kBf16, {1e-4F, kSlow / 2, ""}},
                           {Precision::kInt8, {2, kFast, ""}}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->precision, Precision::kBf16);
  EXPECT_FALSE(choice->findings[2].inside);
  EXPECT_LT(choice->findings[2].agreement->min_cosine, 0.99);
}

TEST_F(ChooseTest, NoneInsideOrFasterIsF32) {
  const auto wrong = Run({{Precision::kF32, {0, kSlow, ""}},
                          {Precision::kBf16, {2, kFast, ""}},
                          {Precision::kInt8, {2, kFast, ""}}});
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->precision, Precision::kF32);
  EXPECT_THAT(wrong->reason, HasSubstr("no other precision is inside the budget"));
  const auto slower = Run({{Precision::kF32, {0, kFast, ""}},
                           {Precision::kBf16, {1e-4F, kSlow, ""}},
                           {Precision::kInt8, {2, kFast, ""}}});
  ASSERT_TRUE(slower.ok());
  EXPECT_EQ(slower->precision, Precision::kF32);
  EXPECT_THAT(slower->reason, HasSubstr("no precision inside the budget is faster"));
}

TEST_F(ChooseTest, WhatCannotRunIsPassedOverWithItsReason) {
  const auto choice = Run({{Precision::kF32, {0, kSlow, ""}},
                           {Precision::kBf16, {0, 0, "no bf16 on this CPU"}},
                           {Precision::kInt8, {NAN, kFast, ""}}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->precision, Precision::kF32);
  EXPECT_EQ(choice->findings[1].unavailable, "no bf16 on this CPU");
  EXPECT_THAT(choice->findings[2].unavailable, HasSubstr("not finite"));
  const json candidates = choice->Recorded().at("candidates");
  EXPECT_EQ(candidates[0], json({{"precision", "bf16"}, {"unavailable", "no bf16 on this CPU"}}));
}

TEST_F(ChooseTest, WithNothingToCompareNoImageIsRead) {
  const testing::TempFolder folder;
  std::ofstream(folder / "a.jpg") << "no image";
  images_ = fs::path(folder / "");
  const auto choice = Run({{Precision::kF32, {}},
                           {Precision::kBf16, {0, 0, "no bf16"}},
                           {Precision::kInt8, {0, 0, "no VNNI"}}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->precision, Precision::kF32);
  EXPECT_EQ(choice->reason, "no other precision can run here");
  EXPECT_EQ(choice->unusable, 0);
}

TEST_F(ChooseTest, TooFewUsableImagesAreF32) {
  const testing::TempFolder folder;
  for (int i = 0; i < 30; ++i) std::ofstream(folder / ("bad" + std::to_string(i) + ".jpg")) << "no";
  fs::copy_file(images_ / "Lemon" / fs::directory_iterator(images_ / "Lemon")->path().filename(),
                folder / "good.jpg");
  images_ = fs::path(folder / "");
  const auto choice = Run({{Precision::kF32, {}}, {Precision::kBf16, {}}, {Precision::kInt8, {}}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->precision, Precision::kF32);
  EXPECT_EQ(choice->reason, "1 usable image is too few to compare precisions on: 20 are needed");
  EXPECT_EQ(choice->Recorded().at("unusable"), 30);
}

TEST_F(ChooseTest, F32ThatCannotBeHadIsAnErrorAndSoIsBeingStopped) {
  const auto none = Run(
      {{Precision::kF32, {0, 0, "no weights"}}, {Precision::kBf16, {}}, {Precision::kInt8, {}}});
  EXPECT_THAT(none.status().message(), HasSubstr("no weights"));
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = Run({{Precision::kF32, {}}, {Precision::kBf16, {}}, {Precision::kInt8, {}}},
                           stop.get_token());
  EXPECT_TRUE(stopped.status().IsCancelled()) << stopped.status();
}

TEST_F(ChooseTest, TheRecordHasNoSpeedsAndDoesNotDependOnThreads) {
  std::set<std::string> records;
  for (const int threads : {1, 2, 5}) {
    options_.sample.threads = threads;
    const auto choice = Run({{Precision::kF32, {0, kSlow, ""}},
                             {Precision::kBf16, {2, 0, ""}},
                             {Precision::kInt8, {0.01F, kFast, ""}}});
    ASSERT_TRUE(choice.ok());
    records.insert(choice->Recorded().dump());
  }
  EXPECT_EQ(records.size(), 1U);
  EXPECT_THAT(*records.begin(), Not(HasSubstr("second")));
}

io::Entry EntryOf(const std::string& path, const std::string& label) {
  io::Entry entry;
  entry.path = path;
  entry.label = label;
  return entry;
}

TEST(StratifiedSampleTest, TakesEachLabelInTurnWhateverTheOrder) {
  std::vector<io::Entry> entries;
  for (int i = 0; i < 100; ++i) entries.push_back(EntryOf("a/" + std::to_string(i), "a"));
  for (int i = 0; i < 3; ++i) entries.push_back(EntryOf("b/" + std::to_string(i), "b"));
  for (int i = 0; i < 10; ++i) entries.push_back(EntryOf("c/" + std::to_string(i), "c"));
  entries.push_back(EntryOf("d/0", "d"));
  entries.back().rejected = Rejection{Reason::kEmpty, "", {}};
  const auto count = [&](int64_t n) {
    std::map<std::string, int> counts;
    for (const io::Entry& entry : StratifiedSample(entries, n)) ++counts[*entry.label];
    return counts;
  };
  using Counts = std::map<std::string, int>;
  EXPECT_EQ(count(9), (Counts{{"a", 3}, {"b", 3}, {"c", 3}}));
  EXPECT_EQ(count(21), (Counts{{"a", 9}, {"b", 3}, {"c", 9}}));
  EXPECT_EQ(count(1000), (Counts{{"a", 100}, {"b", 3}, {"c", 10}}));
  EXPECT_TRUE(count(0).empty());

  const auto paths = [](const std::vector<io::Entry>& all) {
    std::vector<std::string> out;
    for (const io::Entry& entry : StratifiedSample(all, 30)) out.push_back(entry.path);
    return out;
  };
  const auto before = paths(entries);
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(paths(entries), before);
  EXPECT_NE(before[0], "a/0");  // by hash: not the first of a sequence
}

}  // namespace
}  // namespace pomona::precision
