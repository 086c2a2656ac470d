// Parts, manifest, commit, verify and garbage against a real folder.
#include "pomona/dataset/dataset.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "pomona/base/hash.h"
#include "pomona/dataset/commit.h"
#include "pomona/dataset/garbage.h"
#include "pomona/dataset/manifest.h"
#include "pomona/dataset/part.h"
#include "pomona/dataset/verify.h"
#include "pomona/testing/hostile_parquet.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kDimension = 8;

Part MakePart(const std::string& prefix, int rows, int rejected = 0) {
  Part part;
  part.dimension = kDimension;
  for (int i = 0; i < rows; ++i) {
    const std::string name = prefix + std::to_string(i) + ".jpg";
    part.rows.push_back({name,
                         i % 2 == 0 ? std::optional<std::string>("Crème brûlée") : std::nullopt,
                         100 + i, 50, 4000 + i, Xxh3Hex(name), "1589760000000000000"});
    for (int j = 0; j < kDimension; ++j) {
      part.features.push_back(static_cast<float>(std::sin(i * kDimension + j + 1)));
    }
  }
  for (int i = 0; i < rejected; ++i) {
    part.rejected.push_back({prefix + "bad" + std::to_string(i) + ".jpg", "x", 17, "5",
                             Rejection{Reason::kTruncated, "ends \xff early", 12}, i});
  }
  return part;
}

Manifest MakeManifest() {
  Manifest manifest;
  manifest.tool = "pomona test";
  manifest.source = "/images";
  manifest.label = "folder";
  manifest.recipe = {{"denoise", "nlm:3"}, {"width", 224}};
  manifest.model = {{"id", "toy"}, {"identity", {{"output", {{"dimension", kDimension}}}}}};
  return manifest;
}

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() : store_(io::OpenStore(temp_.path()).ValueOrDie()) {}

  // Writes the parts and commits a manifest of them.
  Manifest CommitParts(const std::vector<std::pair<std::string, Part>>& parts) {
    Manifest manifest = MakeManifest();
    for (const auto& [name, part] : parts) {
      manifest.parts.push_back(
          WritePart(store_.get(), part, Identity(manifest, Xxh3Hex(name))).ValueOrDie());
    }
    const auto before = Dataset::Open(*store_);
    EXPECT_TRUE(Commit(store_.get(), manifest, before.ok() ? &*before : nullptr).ok());
    return manifest;
  }

  static PartIdentity Identity(const Manifest& manifest, const std::string& key) {
    return {key, manifest.recipe_hash(), manifest.model_hash()};
  }

  std::filesystem::path PartFile(const std::string& name) const {
    return folder_ / kFeaturesFolder / PartName(Xxh3Hex(name));
  }

  testing::TempFolder temp_;
  const std::filesystem::path folder_ = temp_.path();
  std::unique_ptr<io::Store> store_;
};

TEST(PartTest, RoundTripKeepsEverything) {
  const Part part = MakePart("a/", 5, 2);
  const auto file = EncodePart(part, {"k", "r", "m"}).ValueOrDie();
  const DecodedPart back = DecodePart(file).ValueOrDie();
  EXPECT_EQ(back.identity.key, "k");
  EXPECT_EQ(back.identity.recipe, "r");
  EXPECT_EQ(back.identity.model, "m");
  EXPECT_EQ(back.part.dimension, kDimension);
  EXPECT_EQ(back.part.features, part.features);
  ASSERT_THAT(back.part.rows, SizeIs(5));
  EXPECT_EQ(back.part.rows[3].path, "a/3.jpg");
  EXPECT_EQ(back.part.rows[3].label, std::nullopt);
  EXPECT_EQ(back.part.rows[2].label, "Crème brûlée");
  EXPECT_EQ(back.part.rows[2].width, 102);
  EXPECT_EQ(back.part.rows[2].content, part.rows[2].content);
  ASSERT_THAT(back.part.rejected, SizeIs(2));
  EXPECT_EQ(back.part.rejected[1].why.reason, Reason::kTruncated);
  EXPECT_EQ(back.part.rejected[1].why.byte_offset, 12);
  EXPECT_EQ(back.part.rejected[1].why.detail, "ends \\xFF early");
  EXPECT_EQ(back.part.rejected[1].attempt, 1);
}

TEST(PartTest, RowsAloneLeaveFeaturesOut) {
  const auto file = EncodePart(MakePart("a/", 3), {"k", "r", "m"}).ValueOrDie();
  const DecodedPart back = DecodePartRows(file).ValueOrDie();
  EXPECT_THAT(back.part.rows, SizeIs(3));
  EXPECT_THAT(back.part.features, IsEmpty());
  EXPECT_EQ(back.part.dimension, kDimension);
}

TEST(PartTest, ABatchIsWhatTheFileHolds) {
  const Part part = MakePart("a/", 3);
  const auto file = EncodePart(part, {"k", "r", "m"}).ValueOrDie();
  const auto reader = parquet::arrow::OpenFile(std::make_shared<arrow::io::BufferReader>(file),
                                               arrow::default_memory_pool())
                          .ValueOrDie();
  const auto table = reader->ReadTable().ValueOrDie();
  const auto batch = ToRecordBatch(part).ValueOrDie();
  ASSERT_TRUE(batch->ValidateFull().ok());
  EXPECT_TRUE(batch->schema()->Equals(*RowSchema(part.dimension)));
  EXPECT_TRUE(arrow::Table::FromRecordBatches({batch}).ValueOrDie()->Equals(*table));

  const auto rows = ToRecordBatch(DecodePartRows(file).ValueOrDie().part).ValueOrDie();
  EXPECT_TRUE(rows->Equals(*batch->RemoveColumn(2).ValueOrDie()));
}

TEST(PartTest, APartOfRejectedImagesOnlyHasNoRows) {
  const auto file = EncodePart(MakePart("a/", 0, 3), {"k", "r", "m"}).ValueOrDie();
  const DecodedPart back = DecodePart(file).ValueOrDie();
  EXPECT_THAT(back.part.rows, IsEmpty());
  EXPECT_THAT(back.part.rejected, SizeIs(3));
  EXPECT_EQ(back.part.dimension, kDimension);
}

TEST(PartTest, SameInputGivesSameBytes) {
  const auto a = EncodePart(MakePart("a/", 9, 1), {"k", "r", "m"}).ValueOrDie();
  const auto b = EncodePart(MakePart("a/", 9, 1), {"k", "r", "m"}).ValueOrDie();
  EXPECT_TRUE(a->Equals(*b));
}

TEST(PartTest, FeaturesAreByteStreamSplitAndCompressed) {
  const auto file = EncodePart(MakePart("a/", 100), {"k", "r", "m"}).ValueOrDie();
  const auto reader =
      parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(file));
  const auto column = reader->metadata()->RowGroup(0)->ColumnChunk(2);
  EXPECT_EQ(column->path_in_schema()->ToDotString(), "features.list.element");
  EXPECT_THAT(column->encodings(), ::testing::Contains(parquet::Encoding::BYTE_STREAM_SPLIT));
  EXPECT_EQ(column->compression(), parquet::Compression::ZSTD);
}

TEST(PartTest, WrongNumberOfFeaturesIsRefused) {
  Part part = MakePart("a/", 2);
  part.features.pop_back();
  EXPECT_FALSE(EncodePart(part, {"k", "r", "m"}).ok());
}

TEST(PartTest, EveryTruncationIsAnErrorNotACrash) {
  const auto file = EncodePart(MakePart("a/", 20, 1), {"k", "r", "m"}).ValueOrDie();
  for (int64_t size = 0; size < file->size(); size += 7) {
    EXPECT_FALSE(DecodePart(arrow::SliceBuffer(file, 0, size)).ok()) << size;
  }
}

TEST(PartTest, APageThatClaimsTooMuchIsRefused) {
  const auto file = EncodePart(MakePart("a/", 20, 1), {"k", "r", "m"}).ValueOrDie();
  constexpr size_t kFirstPage = 4;  // after "PAR1"
  const std::string hostile = pomona::testing::WithHugePage(file->ToString(), kFirstPage);
  const auto decoded = DecodePart(arrow::Buffer::FromString(hostile));
  EXPECT_TRUE(decoded.status().IsOutOfMemory()) << decoded.status();
  EXPECT_LT(arrow::default_memory_pool()->max_memory(), int64_t{1} << 30);
}

TEST(ManifestTest, RoundTrip) {
  Manifest manifest = MakeManifest();
  manifest.parts = {{Xxh3Hex("a"), 3, 1, 4711, Xxh3Hex("b")}};
  manifest.ignored = 7;
  const Manifest back = ParseManifest(ToText(manifest)).ValueOrDie();
  EXPECT_EQ(ToText(back), ToText(manifest));
  EXPECT_EQ(back.parts, manifest.parts);
  EXPECT_EQ(back.dimension(), kDimension);
}

TEST(ManifestTest, DamageIsAnError) {
  const std::string text = ToText(MakeManifest());
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"nlm:3", "nlm:9"},      // recipe_hash no longer fits
           {"\"toy\"", "\"boy\""},  // model_hash no longer fits
           {"\"format\": 1", "\"format\": 2"},
           {"\"parts\"", "\"pards\""},
           {"\"ignored\": ", "\"ignored\": 9e3"},  // 9e30 and more fit no integer
           {"\"ignored\": ", "\"ignored\": 0.5, \"was\": "},
           {"\"dimension\": 8", "\"dimension\": -8"},
           {"}", ""}}) {
    std::string damaged = text;
    damaged.replace(damaged.find(from), from.size(), to);
    EXPECT_FALSE(ParseManifest(damaged).ok()) << from;
  }
  EXPECT_FALSE(ParseManifest("").ok());
  EXPECT_FALSE(ParseManifest("[]").ok());
  EXPECT_FALSE(ParseManifest(R"({"format": 9e30})").ok());
}

TEST(ManifestTest, AKeyThatIsAPathIsRefused) {
  Manifest manifest = MakeManifest();
  manifest.parts = {{"../../../../../../etc/passwd/abcd", 3, 1, 4711, Xxh3Hex("b")}};
  EXPECT_FALSE(ParseManifest(ToText(manifest)).ok());
}

TEST(ManifestTest, DifferencesAreNamed) {
  const Manifest there = MakeManifest();
  Manifest asked = there;
  EXPECT_TRUE(CheckSameContract(there, asked, "results/features").ok());
  asked.recipe["denoise"] = "none";
  asked.model["id"] = "other";
  const Status status = CheckSameContract(there, asked, "results/features");
  EXPECT_TRUE(IsUsageError(status));
  EXPECT_THAT(status.message(), HasSubstr("recipe.denoise is nlm:3 there and none here"));
  EXPECT_THAT(status.message(), HasSubstr("model.id is toy there and other here"));
}

TEST_F(DatasetTest, WhatIsCommittedIsRead) {
  CommitParts({{"one", MakePart("a/", 5)}, {"two", MakePart("b/", 2, 1)}});
  const Dataset dataset = Dataset::Open(*store_).ValueOrDie();
  EXPECT_EQ(dataset.rows(), 7);
  EXPECT_EQ(dataset.num_parts(), 2U);
  EXPECT_EQ(dataset.ReadPart(1).ValueOrDie().features, MakePart("b/", 2, 1).features);
  EXPECT_EQ(dataset.ReadRows(0).ValueOrDie().rows[4].path, "a/4.jpg");
}

TEST_F(DatasetTest, NothingThereIsSaid) {
  const Status status = Dataset::Open(*store_).status();
  EXPECT_TRUE(IsNothingToRead(status));
  EXPECT_THAT(status.message(), HasSubstr("pomona extract"));
}

TEST_F(DatasetTest, AnUncommittedPartIsInvisibleAndGarbage) {
  CommitParts({{"one", MakePart("a/", 5)}});
  const auto identity = Identity(MakeManifest(), Xxh3Hex("two"));
  ASSERT_TRUE(WritePart(store_.get(), MakePart("b/", 2), identity).ok());
  EXPECT_EQ(Dataset::Open(*store_)->rows(), 5);
  EXPECT_THAT(FindGarbage(*store_).ValueOrDie(),
              ElementsAre("features/" + PartName(Xxh3Hex("two"))));
}

TEST_F(DatasetTest, GarbageIsOnlyOurs) {
  CommitParts({{"one", MakePart("a/", 5)}});
  std::ofstream(folder_ / "features" / "notes.txt") << "mine";
  std::ofstream(folder_ / "part-of-my-thesis.parquet") << "mine";
  EXPECT_THAT(FindGarbage(*store_).ValueOrDie(), IsEmpty());
}

TEST_F(DatasetTest, AFinishedPartIsFoundAgain) {
  const auto identity = Identity(MakeManifest(), Xxh3Hex("one"));
  EXPECT_EQ(FindPart(*store_, identity).ValueOrDie(), std::nullopt);
  const PartEntry written = WritePart(store_.get(), MakePart("a/", 5, 1), identity).ValueOrDie();
  EXPECT_EQ(FindPart(*store_, identity).ValueOrDie(), written);
}

TEST_F(DatasetTest, ADamagedOrForeignPartIsNotFound) {
  const auto identity = Identity(MakeManifest(), Xxh3Hex("one"));
  ASSERT_TRUE(WritePart(store_.get(), MakePart("a/", 5), identity).ok());
  auto other_recipe = identity;
  other_recipe.recipe = "other";
  EXPECT_EQ(FindPart(*store_, other_recipe).ValueOrDie(), std::nullopt);
  std::filesystem::resize_file(PartFile("one"), 100);
  EXPECT_EQ(FindPart(*store_, identity).ValueOrDie(), std::nullopt);
}

TEST_F(DatasetTest, APartWithTransientRejectionsIsNotFound) {
  Part part = MakePart("a/", 5, 1);
  part.rejected[0].why.reason = Reason::kUnreadable;
  const auto identity = Identity(MakeManifest(), Xxh3Hex("one"));
  ASSERT_TRUE(WritePart(store_.get(), part, identity).ok());
  EXPECT_EQ(FindPart(*store_, identity).ValueOrDie(), std::nullopt);
}

TEST_F(DatasetTest, CommitReplacesAndCleansUp) {
  CommitParts({{"one", MakePart("a/", 5)}, {"two", MakePart("b/", 5)}});
  CommitParts({{"two", MakePart("b/", 5)}, {"three", MakePart("c/", 1)}});
  EXPECT_EQ(Dataset::Open(*store_)->rows(), 6);
  EXPECT_FALSE(std::filesystem::exists(PartFile("one")));
  EXPECT_THAT(FindGarbage(*store_).ValueOrDie(), IsEmpty());
}

TEST_F(DatasetTest, OfSixteenCommitsOneWinsAndTheOthersAreTold) {
  CommitParts({{"one", MakePart("a/", 5)}});
  const auto before = Dataset::Open(*store_);
  std::vector<Manifest> manifests(16, MakeManifest());
  for (size_t i = 0; i < manifests.size(); ++i) {
    const std::string name = "racer " + std::to_string(i);
    const Part part = MakePart(std::to_string(i) + "/", 3, static_cast<int>(i));
    manifests[i].parts = {
        WritePart(store_.get(), part, Identity(manifests[i], Xxh3Hex(name))).ValueOrDie()};
  }
  std::vector<Status> ends(manifests.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < manifests.size(); ++i) {
      threads.emplace_back([&, i] { ends[i] = Commit(store_.get(), manifests[i], &*before); });
    }
  }
  size_t winners = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].ok()) {
      ++winners;
      EXPECT_EQ(Dataset::Open(*store_)->manifest().parts, manifests[i].parts);
    } else {
      EXPECT_TRUE(IsConflict(ends[i])) << ends[i].ToString();
      EXPECT_THAT(ends[i].message(), HasSubstr("another run committed"));
      EXPECT_THAT(ends[i].message(), HasSubstr("run the same command again"));
    }
  }
  EXPECT_EQ(winners, 1U);
  EXPECT_THAT(Verify(*store_, {}, {})->problems, IsEmpty());
  EXPECT_THAT(FindGarbage(*store_).ValueOrDie(), SizeIs(15));  // the losers' parts, still there
}

TEST_F(DatasetTest, TheFirstCommitIsARaceToo) {
  const Manifest first = CommitParts({{"one", MakePart("a/", 5)}});
  Manifest second = MakeManifest();
  second.parts = {
      WritePart(store_.get(), MakePart("b/", 1), Identity(second, Xxh3Hex("b"))).ValueOrDie()};
  EXPECT_TRUE(IsConflict(Commit(store_.get(), second)));
  EXPECT_EQ(Dataset::Open(*store_)->manifest().parts, first.parts);
}

TEST_F(DatasetTest, ASoundPartIsWrittenOnce) {
  const PartIdentity identity = Identity(MakeManifest(), Xxh3Hex("one"));
  const PartEntry first = WritePart(store_.get(), MakePart("a/", 5), identity).ValueOrDie();
  EXPECT_EQ(WritePart(store_.get(), MakePart("a/", 4), identity).ValueOrDie(), first);
}

TEST_F(DatasetTest, APartThatIsDamagedOrToBeTriedAgainIsReplacedUnlessCommitted) {
  const PartIdentity identity = Identity(MakeManifest(), Xxh3Hex("one"));
  std::filesystem::create_directories(folder_ / kFeaturesFolder);
  std::ofstream(PartFile("one")) << "half a part";
  Part failing = MakePart("a/", 4);
  failing.rejected.push_back({"a/4.jpg", "x", 17, "5", Rejection{Reason::kUnreadable, "no", {}}});
  const PartEntry first = WritePart(store_.get(), failing, identity).ValueOrDie();
  EXPECT_EQ(first.rejected, 1);
  const PartEntry second = WritePart(store_.get(), MakePart("a/", 5), identity).ValueOrDie();
  EXPECT_EQ(second.rejected, 0);

  std::filesystem::remove(PartFile("one"));
  CommitParts({{"one", failing}});
  EXPECT_EQ(WritePart(store_.get(), MakePart("a/", 5), identity).ValueOrDie(), first);
}

TEST_F(DatasetTest, CommitOfAPartThatIsGoneLeavesTheOldDataset) {
  CommitParts({{"one", MakePart("a/", 5)}});
  const auto before = Dataset::Open(*store_);
  Manifest manifest = MakeManifest();
  manifest.parts = {{Xxh3Hex("gone"), 3, 0, 100, Xxh3Hex("x")}};
  EXPECT_FALSE(Commit(store_.get(), manifest, &*before).ok());
  EXPECT_EQ(Dataset::Open(*store_)->rows(), 5);
}

TEST_F(DatasetTest, VerifyFindsNothingWrongWithASoundDataset) {
  CommitParts({{"one", MakePart("a/", 5, 2)}, {"two", MakePart("b/", 5)}});
  const VerifyReport report = Verify(*store_, {}, {}).ValueOrDie();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.rows, 10);
  EXPECT_EQ(report.rejected, 2);
  EXPECT_EQ(report.parts, 2);
}

TEST_F(DatasetTest, VerifyFindsEverySingleFlippedByte) {
  CommitParts({{"one", MakePart("a/", 5, 1)}});
  std::fstream file(PartFile("one"), std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<int>(std::filesystem::file_size(PartFile("one")));
  for (int at = 0; at < size; at += 97) {
    file.seekg(at);
    const auto byte = static_cast<char>(file.get());
    file.seekp(at).put(static_cast<char>(byte ^ 0x20)).flush();
    EXPECT_THAT(Verify(*store_, {}, {})->problems, SizeIs(1)) << at;
    file.seekp(at).put(byte).flush();
  }
  EXPECT_THAT(Verify(*store_, {}, {})->problems, IsEmpty());
}

TEST_F(DatasetTest, VerifyFindsMissingPartsAndWrongCounts) {
  Manifest manifest = CommitParts({{"one", MakePart("a/", 5)}, {"two", MakePart("b/", 5)}});
  const auto before = Dataset::Open(*store_);
  manifest.parts[0].rows = 4;
  ASSERT_TRUE(Commit(store_.get(), manifest, &*before).ok());
  std::filesystem::remove(PartFile("two"));
  const auto problems = Verify(*store_, {}, {})->problems;
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_THAT(problems[0], HasSubstr("5 rows"));
  EXPECT_THAT(problems[1], HasSubstr(PartName(Xxh3Hex("two"))));
}

TEST_F(DatasetTest, VerifyFindsBadNumbersAndDoubledPaths) {
  Part bad = MakePart("a/", 3);
  bad.features[kDimension] = std::numeric_limits<float>::quiet_NaN();
  std::fill_n(bad.features.begin() + 2 * kDimension, kDimension, 0.0F);
  CommitParts({{"one", bad}, {"two", MakePart("a/", 1)}});
  const auto problems = Verify(*store_, {}, {})->problems;
  ASSERT_THAT(problems, SizeIs(3));
  EXPECT_THAT(problems[0], HasSubstr("a/1.jpg is not finite"));
  EXPECT_THAT(problems[1], HasSubstr("a/2.jpg is all zeros"));
  EXPECT_THAT(problems[2], HasSubstr("a/0.jpg is in the dataset twice"));
}

TEST_F(DatasetTest, VerifyFindsAPartOfAnotherRecipe) {
  Manifest manifest = MakeManifest();
  PartIdentity identity = Identity(manifest, Xxh3Hex("one"));
  identity.recipe = Xxh3Hex("another recipe");
  manifest.parts = {WritePart(store_.get(), MakePart("a/", 3), identity).ValueOrDie()};
  ASSERT_TRUE(Commit(store_.get(), manifest).ok());
  EXPECT_THAT(Verify(*store_, {}, {})->problems, ElementsAre(HasSubstr("another recipe")));
}

TEST_F(DatasetTest, VerifyFindsAForgedRejectedFile) {
  CommitParts({{"one", MakePart("a/", 3, 1)}});
  std::ofstream(folder_ / kRejectedName) << "nothing was rejected";
  EXPECT_THAT(Verify(*store_, {}, {})->problems, ElementsAre(HasSubstr("rejected.parquet")));
}

}  // namespace
}  // namespace pomona::dataset
