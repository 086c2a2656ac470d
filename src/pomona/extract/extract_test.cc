// Plan, resume, incremental runs and failure, with a small network of the test's own and real
// images. The real networks are tested in model/, the whole in tests/e2e.
#include "pomona/extract/extract.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/dataset/dataset.h"
#include "pomona/dataset/garbage.h"
#include "pomona/dataset/verify.h"
#include "pomona/extract/plan.h"
#include "pomona/extract/task.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::extract {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kDimension = 4;

// Mean of each channel, and their sum. Counts its calls; fails or stops where a test says so.
class MeanColour : public model::Runner {
 public:
  MeanColour() {
    card_.id = "mean-colour";
    card_.output.dimension = kDimension;
    card_.input.width = card_.input.height = 32;
  }
  const model::Card& card() const override { return card_; }
  model::Precision precision() const override { return model::Precision::kF32; }
  const std::string& weights_sha256() const override { return sha256_; }

  Status Run(std::span<const uint8_t> rgb, std::span<float> features) override {
    const int call = ++calls;
    if (call == fail_at) return Status::UnknownError("the network broke");
    if (call == stop_at) stop.request_stop();
    std::fill(features.begin(), features.end(), 0.0F);
    for (size_t i = 0; i < rgb.size(); ++i) features[i % 3] += static_cast<float>(rgb[i]);
    features[3] = std::accumulate(features.begin(), features.begin() + 3, 1.0F);
    if (call == nan_at) features[2] = std::nanf("");
    return Status::OK();
  }

  std::atomic<int> calls = 0;
  int fail_at = 0;
  int stop_at = 0;
  int nan_at = 0;
  std::stop_source stop;

 private:
  model::Card card_;
  std::string sha256_ = std::string(64, 'a');
};

class ExtractTest : public ::testing::Test {
 protected:
  ExtractTest() {
    images_ = folder_ / "images";
    fs::copy(fs::path(POMONA_SOURCE_DIR) / "samples/fruits", images_, fs::copy_options::recursive);
    options_.recipe.width = options_.recipe.height = 32;
    options_.recipe.denoise.method = image::DenoiseMethod::kNone;
    options_.part_images = 8;
    options_.threads = 2;
  }

  Result<ExtractReport> Run(const std::string& results = "results") {
    runner_.calls = 0;
    ARROW_ASSIGN_OR_RAISE(auto source, io::OpenSource(images_.string(), {}));
    ARROW_ASSIGN_OR_RAISE(store_, io::OpenStore((folder_ / results).string()));
    return Extract(*source, &runner_, store_.get(), options_, {}, runner_.stop.get_token());
  }

  // name -> bytes of everything below a results folder.
  std::map<std::string, std::string> Files(const std::string& results) const {
    std::map<std::string, std::string> files;
    for (const auto& file : fs::recursive_directory_iterator(folder_ / results)) {
      if (!file.is_regular_file()) continue;
      std::ifstream in(file.path(), std::ios::binary);
      files[fs::relative(file.path(), folder_ / results).string()] =
          std::string(std::istreambuf_iterator<char>(in), {});
    }
    return files;
  }

  void ExpectSound() const {
    const auto report = dataset::Verify(*store_, {}, {});
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_THAT(report->problems, IsEmpty());
  }

  testing::TempFolder temp_;
  const fs::path folder_ = temp_.path();
  fs::path images_;
  ExtractOptions options_;
  MeanColour runner_;
  std::unique_ptr<io::Store> store_;
};

TEST_F(ExtractTest, EveryImageBecomesARow) {
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.listed, 50);
  EXPECT_EQ(report.featured, 50);
  EXPECT_EQ(report.computed, 50);
  EXPECT_EQ(report.rejected, 0);
  const auto dataset = dataset::Dataset::Open(*store_).ValueOrDie();
  EXPECT_EQ(dataset.num_parts(), 7U);
  const auto part = dataset.ReadPart(0).ValueOrDie();
  EXPECT_EQ(part.rows[0].path, "Apple Golden 3/0_100.jpg");
  EXPECT_EQ(part.rows[0].label, "Apple Golden 3");
  EXPECT_EQ(part.rows[0].width, 100);
  EXPECT_EQ(part.rows[0].bytes, 4257);
  ExpectSound();
}

TEST_F(ExtractTest, BytesDoNotDependOnThreads) {
  options_.threads = 1;
  ASSERT_TRUE(Run("one").ok());
  for (const int threads : {2, 5}) {
    options_.threads = threads;
    ASSERT_TRUE(Run("many").ok());
    EXPECT_EQ(Files("one"), Files("many")) << threads;
    fs::remove_all(folder_ / "many");
  }
}

// Which reads ahead, and so takes at a time, few images or one.
TEST_F(ExtractTest, BytesDoNotDependOnMemory) {
  ASSERT_TRUE(Run("much").ok());
  for (const int64_t bytes : {1, 100'000}) {
    options_.read_ahead_bytes = bytes;
    ASSERT_TRUE(Run("little").ok());
    EXPECT_EQ(Files("much"), Files("little")) << bytes;
    fs::remove_all(folder_ / "little");
  }
}

TEST_F(ExtractTest, PartsComputedElsewhereAreTheSame) {
  ASSERT_TRUE(Run("here").ok());
  const auto source = io::OpenSource(images_.string(), {}).ValueOrDie();
  const auto store = io::OpenStore((folder_ / "there").string()).ValueOrDie();
  Extraction extraction = Extraction::Begin(*source, Contract(*source, runner_, options_),
                                            store.get(), options_, {}, {}, {})
                              .ValueOrDie();
  ASSERT_THAT(extraction.missing(), SizeIs(7));
  EXPECT_FALSE(extraction.Commit(nullptr).ok());  // before its parts are there
  // Every part as a task of its own, the last first, the third twice.
  for (const size_t i : {6, 5, 4, 3, 2, 1, 0, 2}) {
    const PlannedPart part = PlannedPartFromBytes(ToBytes(*extraction.missing()[i])).ValueOrDie();
    MeanColour runner;
    const auto elsewhere = io::OpenSource(images_.string(), {}).ValueOrDie();
    const auto same_store = io::OpenStore((folder_ / "there").string()).ValueOrDie();
    const auto done = [&](size_t, const ComputedPart& computed) {
      extraction.Finish(i, ComputedPartFromBytes(ToBytes(computed)).ValueOrDie());
    };
    ASSERT_TRUE(ComputeParts({&part}, *elsewhere, &runner, same_store.get(), extraction.manifest(),
                             options_, done, {}, {}, {})
                    .ok());
  }
  const ExtractReport report = extraction.Commit(nullptr).ValueOrDie();
  EXPECT_EQ(report.featured, 50);
  EXPECT_EQ(report.computed, 50);
  EXPECT_EQ(Files("here"), Files("there"));
}

TEST_F(ExtractTest, ASecondRunComputesNothingAndChangesNothing) {
  ASSERT_TRUE(Run().ok());
  const auto before = Files("results");
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.kept, 50);
  EXPECT_EQ(report.computed, 0);
  EXPECT_EQ(runner_.calls, 0);
  EXPECT_EQ(Files("results"), before);
}

TEST_F(ExtractTest, AStoppedRunKeepsFinishedPartsAndContinues) {
  ASSERT_TRUE(Run("undisturbed").ok());
  runner_.stop_at = 30;
  options_.threads = 1;
  const auto stopped = Run();
  EXPECT_TRUE(stopped.status().IsCancelled()) << stopped.status().ToString();
  EXPECT_TRUE(IsNothingToRead(dataset::Dataset::Open(*store_).status()));
  const auto finished = dataset::FindGarbage(*store_).ValueOrDie().size();
  EXPECT_GE(finished, 1U);

  runner_.stop = std::stop_source();
  runner_.stop_at = 0;
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.resumed, static_cast<int64_t>(finished) * 8);
  EXPECT_EQ(report.computed, 50 - report.resumed);
  EXPECT_EQ(runner_.calls, report.computed);
  EXPECT_EQ(Files("results"), Files("undisturbed"));
}

TEST_F(ExtractTest, AFailingNetworkEndsTheRunAndLosesNoPart) {
  runner_.fail_at = 40;
  options_.threads = 1;
  const auto failed = Run();
  EXPECT_THAT(failed.status().message(), HasSubstr("the network broke"));
  EXPECT_GE(dataset::FindGarbage(*store_)->size(), 1U);
  runner_.fail_at = 0;
  EXPECT_GE(Run()->resumed, 8);
  ExpectSound();
}

TEST_F(ExtractTest, ANanIsARejectionNotAFeature) {
  runner_.nan_at = 5;
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.featured, 49);
  EXPECT_EQ(report.rejected, 1);
  ExpectSound();
}

TEST_F(ExtractTest, NewImagesAreTheOnlyOnesComputed) {
  ASSERT_TRUE(Run().ok());
  for (int i = 0; i < 10; ++i) {
    fs::copy(images_ / "Lemon/0_100.jpg", images_ / ("Lemon/new" + std::to_string(i) + ".jpg"));
  }
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.listed, 60);
  EXPECT_EQ(report.featured, 60);
  EXPECT_EQ(report.kept, 50);
  EXPECT_EQ(report.computed, 10);
  EXPECT_EQ(runner_.calls, 10);
  ExpectSound();
}

TEST_F(ExtractTest, AReplacedImageIsComputedAgainAndItsNeighboursAreCarried) {
  ASSERT_TRUE(Run().ok());
  fs::copy(images_ / "Lemon/65_100.jpg", images_ / "Lemon/0_100.jpg",
           fs::copy_options::overwrite_existing);
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.replaced, 1);
  EXPECT_EQ(report.computed, 1);
  EXPECT_EQ(report.carried, 7);
  EXPECT_EQ(report.kept, 42);
  EXPECT_EQ(runner_.calls, 1);
  EXPECT_THAT(dataset::FindGarbage(*store_).ValueOrDie(), IsEmpty());
  ExpectSound();
}

TEST_F(ExtractTest, ARemovedImageLeavesTheDataset) {
  ASSERT_TRUE(Run().ok());
  fs::remove_all(images_ / "Banana");
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.removed, 10);
  EXPECT_EQ(report.featured, 40);
  EXPECT_EQ(report.computed, 0);
  ExpectSound();
}

TEST_F(ExtractTest, BadImagesAreRejectedOnceAndCounted) {
  std::ofstream(images_ / "Lemon/a.jpg");
  std::ofstream(images_ / "Lemon/b.jpg") << "not an image";
  std::ofstream(images_ / "Lemon/readme.txt") << "not an image by name either";
  ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.listed, 52);
  EXPECT_EQ(report.featured, 50);
  EXPECT_EQ(report.rejected, 2);
  EXPECT_EQ(report.ignored, 1);
  report = Run().ValueOrDie();
  EXPECT_EQ(report.kept, 52);
  EXPECT_EQ(report.computed, 0);
  ExpectSound();
}

TEST_F(ExtractTest, TransientRejectionsAreTriedAgain) {
  fs::create_symlink(folder_ / "not yet there.jpg", images_ / "Lemon/zz.jpg");
  ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.rejected, 1);
  report = Run().ValueOrDie();
  EXPECT_EQ(report.rejected, 1);
  EXPECT_EQ(report.computed, 1);
  fs::copy(images_ / "Lemon/0_100.jpg", folder_ / "not yet there.jpg");
  report = Run().ValueOrDie();
  EXPECT_EQ(report.rejected, 0);
  EXPECT_EQ(report.featured, 51);
  ExpectSound();
}

TEST_F(ExtractTest, AnotherRecipeIsRefusedAndTheFieldNamed) {
  ASSERT_TRUE(Run().ok());
  const auto before = Files("results");
  options_.recipe.resize = image::ResizeMethod::kArea;
  const Status status = Run().status();
  EXPECT_TRUE(IsUsageError(status));
  EXPECT_THAT(status.message(), HasSubstr("recipe.resize is bilinear there and area here"));
  EXPECT_EQ(Files("results"), before);
}

TEST_F(ExtractTest, AllImagesBadIsADatasetOfRejections) {
  fs::remove_all(images_);
  fs::create_directory(images_);
  std::ofstream(images_ / "a.jpg") << "x";
  const ExtractReport report = Run().ValueOrDie();
  EXPECT_EQ(report.featured, 0);
  EXPECT_EQ(report.rejected, 1);
  ExpectSound();
}

io::Listing MakeListing(int n) {
  io::Listing listing;
  for (int i = 0; i < n; ++i) {
    char path[16];
    std::snprintf(path, sizeof(path), "%05d.jpg", i);
    listing.entries.push_back({path, path, "l", i, "1", {}});
  }
  return listing;
}

TEST(PlanTest, CutsByPathIntoPartsOfTheAskedSize) {
  const Plan plan = MakePlan(MakeListing(2500), nullptr, {}, "contract", {1024}).ValueOrDie();
  ASSERT_THAT(plan.compute, SizeIs(3));
  EXPECT_THAT(plan.compute[0].entries, SizeIs(1024));
  EXPECT_THAT(plan.compute[2].entries, SizeIs(452));
  EXPECT_EQ(plan.compute[1].entries[0].entry.path, "01024.jpg");
  EXPECT_EQ(plan.to_compute(), 2500);
}

TEST(PlanTest, AKeyDependsOnEverythingThatMatters) {
  const auto key = [](const io::Listing& listing, const std::string& contract) {
    return MakePlan(listing, nullptr, {}, contract, {1024})->compute.at(0).key;
  };
  const std::string base = key(MakeListing(3), "contract");
  EXPECT_THAT(base, SizeIs(32));
  EXPECT_EQ(base, key(MakeListing(3), "contract"));
  std::vector<std::string> others = {key(MakeListing(3), "other"), key(MakeListing(2), "contract")};
  auto change = [&](auto edit) {
    io::Listing listing = MakeListing(3);
    edit(&listing.entries[1]);
    others.push_back(key(listing, "contract"));
  };
  change([](io::Entry* e) { e->path = "00001.jpeg"; });
  change([](io::Entry* e) { e->size = 99; });
  change([](io::Entry* e) { e->version = "2"; });
  change([](io::Entry* e) { e->label = "m"; });
  change([](io::Entry* e) { e->label.reset(); });
  for (const std::string& other : others) EXPECT_NE(base, other);
}

TEST(PlanTest, ImagesUnderOnePathAreAllThere) {
  io::Listing listing = MakeListing(1);
  for (int i = 0; i < 3; ++i) {
    listing.entries.push_back(listing.entries[0]);
    listing.entries.back().rejected = Rejection{Reason::kDuplicate, "listed before", {}};
  }
  EXPECT_EQ(MakePlan(listing, nullptr, {}, "c", {1024})->to_compute(), 4);
}

TEST(TaskTest, APartIsTheSameAfterATrip) {
  PlannedPart part{std::string(32, 'a'), {}};
  io::Entry entry{"é/1.jpg", "\xff\x00 raw", "é", 7, "etag", std::nullopt};
  part.entries.push_back({entry, 2});
  entry.label.reset();
  entry.rejected = Rejection{Reason::kTooLarge, "too large", 12, 34, 56};
  part.entries.push_back({entry, 0});
  const PlannedPart back = PlannedPartFromBytes(ToBytes(part)).ValueOrDie();
  EXPECT_EQ(back.key, part.key);
  ASSERT_THAT(back.entries, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    const io::Entry& was = part.entries[i].entry;
    const io::Entry& is = back.entries[i].entry;
    EXPECT_EQ(std::tie(is.path, is.locator, is.label, is.size, is.version, is.rejected),
              std::tie(was.path, was.locator, was.label, was.size, was.version, was.rejected));
    EXPECT_EQ(back.entries[i].attempt, part.entries[i].attempt);
  }
  EXPECT_FALSE(PlannedPartFromBytes(ToBytes(part).substr(1)).ok());
  EXPECT_FALSE(ComputedPartFromBytes(ToBytes(part)).ok());
}

TEST(PlanTest, PartsOfNoImagesAreRefused) {
  EXPECT_TRUE(IsUsageError(MakePlan(MakeListing(1), nullptr, {}, "c", {0}).status()));
}

}  // namespace
}  // namespace pomona::extract
