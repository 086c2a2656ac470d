#include "pomona/reduce/reduce.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <nlohmann/json.hpp>

#include "pomona/dataset/commit.h"

namespace pomona::reduce {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kFiles = {kComponentsName, kPcaModelName, kProjectionName};

// A part of `rows` images with drawn features; every third image has no label.
dataset::Part DrawPart(int number, int rows, int dimension) {
  dataset::Part part;
  part.dimension = dimension;
  uint32_t state = number + 1;
  float shared = 0;
  for (int i = 0; i < rows; ++i) {
    dataset::Row row;
    row.path = "p" + std::to_string(number) + "/é " + std::to_string(i) + ".jpg";
    if (i % 3 != 2) row.label = "p" + std::to_string(number);
    part.rows.push_back(row);
    for (int j = 0; j < dimension; ++j) {
      state = state * 1664525U + 1013904223U;
      const float drawn = static_cast<float>(state >> 20) / 4096;
      if (j % 5 == 0) shared = drawn;
      part.features.push_back(100 + drawn + static_cast<float>(j % 7) * shared);
    }
  }
  return part;
}

std::string Key(size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(32 - digits.size(), '0') + digits;
}

class ReduceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("pomona_reduce_") + info->name() + "_" + std::to_string(getpid()));
    store_ = OpenStore(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::unique_ptr<io::Store> OpenStore(const std::filesystem::path& folder) {
    return io::OpenStore(folder.string()).ValueOrDie();
  }

  // Makes `parts` the dataset of the results folder.
  dataset::Dataset Put(const std::vector<dataset::Part>& parts) {
    dataset::Manifest manifest;
    manifest.tool = "pomona 0.1.0";
    manifest.source = "/images";
    manifest.label = "folder";
    manifest.recipe = {{"resize", "bilinear"}};
    const int dimension = parts.empty() ? 4 : parts.front().dimension;
    manifest.model = {{"id", "test"},
                      {"identity", {{"output", {{"dimension", dimension}}}}},
                      {"weights_sha256", std::string(64, '0')},
                      {"precision", "f32"}};
    for (size_t i = 0; i < parts.size(); ++i) {
      const dataset::PartIdentity identity{Key(i), manifest.recipe_hash(), manifest.model_hash()};
      manifest.parts.push_back(dataset::WritePart(store_.get(), parts[i], identity).ValueOrDie());
    }
    const auto before = dataset::Dataset::Open(*store_);
    const Status committed =
        dataset::Commit(store_.get(), manifest, before.ok() ? &*before : nullptr);
    EXPECT_TRUE(committed.ok()) << committed.ToString();
    return dataset::Dataset::Open(*store_).ValueOrDie();
  }

  // 12 parts; 700 columns keep R thin in the parts and dense in the whole, 20 columns are dense.
  dataset::Dataset PutTwelve(int dimension) {
    std::vector<dataset::Part> parts;
    for (int i = 0; i < 12; ++i) parts.push_back(DrawPart(i, i % 3 == 0 ? 300 : 17 + i, dimension));
    return Put(parts);
  }

  Result<Pca> Run(const dataset::Dataset& dataset, const ReduceOptions& options = {}) {
    Observer observer;
    observer.progress = [this](const Progress& p) { progress_.push_back(p); };
    observer.warning = [this](const std::string& w) { warnings_.push_back(w); };
    return Reduce(dataset, store_.get(), options, observer, {});
  }

  std::string Bytes(const std::string& name) { return store_->Read(name).ValueOrDie()->ToString(); }

  std::vector<std::string> AllBytes() {
    std::vector<std::string> out;
    for (const std::string& name : kFiles) out.push_back(Bytes(name));
    return out;
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::Store> store_;
  std::vector<Progress> progress_;
  std::vector<std::string> warnings_;
};

TEST_F(ReduceTest, IsThePcaOfAllRowsAndReadsBackToTheBit) {
  const std::vector<dataset::Part> parts = {DrawPart(0, 40, 30), DrawPart(1, 1, 30),
                                            DrawPart(2, 25, 30)};
  const auto dataset = Put(parts);
  const Pca pca = Run(dataset, {{5, 0}, 2}).ValueOrDie();
  EXPECT_TRUE(warnings_.empty());

  Moments all(30);
  for (const auto& part : parts) {
    all.Add(part.features.data(), static_cast<int64_t>(part.rows.size()));
  }
  const Pca want = FitPca(all, {5, 0}).ValueOrDie();
  EXPECT_EQ(pca.n, 66);
  EXPECT_EQ(pca.rank, want.rank);
  ASSERT_EQ(pca.components.size(), want.components.size());
  for (size_t i = 0; i < want.components.size(); ++i) {
    EXPECT_NEAR(pca.components[i], want.components[i], 1e-11);
  }

  EXPECT_EQ(LoadPca(*store_).ValueOrDie(), pca);
  EXPECT_EQ(pca.dataset, DatasetIdentity(dataset.manifest()));
  const Projection projection = LoadProjection(*store_).ValueOrDie();
  EXPECT_EQ(projection.k, 5);
  size_t at = 0;
  for (const auto& part : parts) {
    const auto values = pca.Project(part.features.data(), static_cast<int64_t>(part.rows.size()));
    for (size_t i = 0; i < part.rows.size(); ++i, ++at) {
      EXPECT_EQ(projection.paths.at(at), part.rows[i].path);
      EXPECT_EQ(projection.labels.at(at), part.rows[i].label.value_or(""));
      for (int c = 0; c < 5; ++c) EXPECT_EQ(projection.values.at(at * 5 + c), values[i * 5 + c]);
    }
  }
  EXPECT_EQ(at, projection.paths.size());
  EXPECT_EQ(projection.values.size(), at * 5);
}

TEST_F(ReduceTest, SameBytesForAnyNumberOfThreads) {
  for (const int dimension : {20, 700}) {
    const auto dataset = PutTwelve(dimension);
    ASSERT_TRUE(Run(dataset, {{6, 0}, 1}).ok());
    const auto want = AllBytes();
    for (const int threads : {2, 5, 2}) {
      ASSERT_TRUE(Run(dataset, {{6, 0}, threads}).ok());
      EXPECT_TRUE(AllBytes() == want) << threads << " threads, " << dimension << " columns";
    }
  }
}

TEST_F(ReduceTest, SameBytesHoweverMuchIsKept) {
  const auto dataset = PutTwelve(20);
  ASSERT_TRUE(Run(dataset, {{6, 0}, 2, 0}).ok());
  const auto want = AllBytes();
  for (const int64_t bytes : {1, 1'000'000'000}) {
    ASSERT_TRUE(Run(dataset, {{6, 0}, 2, bytes}).ok());
    EXPECT_TRUE(AllBytes() == want) << bytes;
  }
}

TEST_F(ReduceTest, PartsThatFitAreReadOnce) {
  const auto dataset = Put({DrawPart(0, 100, 30), DrawPart(1, 7, 30)});
  Parts all(dataset, 100'000);
  Parts none(dataset, 10'000);
  const auto read = all.Read(0).ValueOrDie()->features;
  ASSERT_TRUE(none.Read(0).ok());
  std::filesystem::remove_all(folder_ / dataset::kFeaturesFolder);
  EXPECT_EQ(all.Take(0).ValueOrDie().features, read);
  EXPECT_FALSE(all.Take(0).ok());
  EXPECT_FALSE(none.Take(0).ok());
}

// Every block and part through bytes, as tasks of a cluster do.
TEST_F(ReduceTest, SameBytesFromElsewhere) {
  for (const int dimension : {20, 700}) {
    const auto dataset = PutTwelve(dimension);
    ASSERT_TRUE(Run(dataset, {{6, 0}, 1}).ok());
    const auto want = AllBytes();
    std::filesystem::remove_all(folder_ / "pca");
    Reduction reduction = Reduction::Begin(dataset, store_.get(), {6, 0}, {}).ValueOrDie();
    Parts of_dataset(dataset);
    for (const Block& block : Blocks(dataset)) {
      const std::string bytes = MomentsOfBlock(&of_dataset, block).ValueOrDie().ToBytes();
      reduction.Merge(Moments::FromBytes(bytes).ValueOrDie());
    }
    const Pca fitted = reduction.Fit().ValueOrDie();
    const Pca pca = PcaFromBytes(ToBytes(fitted)).ValueOrDie();
    EXPECT_EQ(pca, fitted);
    EXPECT_FALSE(reduction.Commit().ok());  // nothing is projected yet
    for (size_t i = 0; i < dataset.num_parts(); i += 2) {
      const std::string bytes = ToBytes({ProjectPart(&of_dataset, i, pca).ValueOrDie(),
                                         ProjectPart(&of_dataset, i + 1, pca).ValueOrDie()});
      for (const Projected& projected : ProjectedFromBytes(bytes).ValueOrDie()) {
        ASSERT_TRUE(reduction.Append(projected).ok());
      }
    }
    ASSERT_TRUE(reduction.Commit().ok());
    EXPECT_TRUE(AllBytes() == want) << dimension;
  }
}

TEST_F(ReduceTest, ManyImagesAreNotManyBlocks) {
  const auto blocks = [&](size_t parts) {
    dataset::Manifest manifest = Put({DrawPart(0, 9, 4)}).manifest();
    manifest.parts.assign(parts, manifest.parts[0]);
    for (auto& part : manifest.parts) part.rows = 1000;
    return Blocks(dataset::Dataset(*store_, manifest));
  };
  EXPECT_EQ(blocks(3).size(), 3U);
  const std::vector<Block> many = blocks(10'000);
  EXPECT_LE(many.size(), 256U);
  EXPECT_GE(many.size(), 200U);
  EXPECT_EQ(many.front().first, 0U);
  for (size_t i = 1; i < many.size(); ++i) EXPECT_EQ(many[i].first, many[i - 1].last);
  EXPECT_EQ(many.back().last, 10'000U);
}

TEST_F(ReduceTest, BytesOfSomethingElseAreErrors) {
  Moments moments(3);
  const std::vector<float> row = {1, 2, 3};
  moments.Add(row.data(), 1);
  std::string bytes = moments.ToBytes();
  EXPECT_FALSE(PcaFromBytes(bytes).ok());
  EXPECT_FALSE(ProjectedFromBytes(bytes).ok());
  EXPECT_FALSE(Moments::FromBytes(bytes.substr(0, bytes.size() - 9)).ok());
  EXPECT_FALSE(Moments::FromBytes("").ok());
}

TEST_F(ReduceTest, WritesTheColumnsItPromises) {
  ASSERT_TRUE(Run(Put({DrawPart(0, 9, 4)}), {{2, 0}, 1}).ok());
  const auto schema = [this](const char* name) {
    auto reader =
        parquet::arrow::OpenFile(store_->Open(name).ValueOrDie(), arrow::default_memory_pool());
    std::shared_ptr<arrow::Schema> out;
    EXPECT_TRUE((*reader)->GetSchema(&out).ok());
    return out->ToString(/*show_metadata=*/false);
  };
  EXPECT_EQ(schema(kProjectionName),
            "path: string not null\nlabel: string\npc1: double not null\npc2: double not null");
  EXPECT_EQ(schema(kComponentsName),
            "component: int32 not null\nexplained_variance: double not null\n"
            "explained_ratio: double not null\n"
            "loadings: fixed_size_list<element: double not null>[4] not null");
  const auto files = store_->List("pca").ValueOrDie();
  ASSERT_EQ(files.size(), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(files[i].name, kFiles[i]);
}

TEST_F(ReduceTest, ReportsImagesInBothStages) {
  ASSERT_TRUE(Run(Put({DrawPart(0, 9, 4), DrawPart(1, 5, 4)}), {{2, 0}, 2}).ok());
  std::vector<std::string> seen;
  for (const Progress& p : progress_) {
    seen.push_back(p.stage + " " + std::to_string(p.done) + "/" + std::to_string(p.total));
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("moments 9/14", "moments 14/14", "projection 9/14",
                                           "projection 14/14"));
}

TEST_F(ReduceTest, WarnsOfFewerComponentsThanAsked) {
  const Pca pca = Run(Put({DrawPart(0, 5, 12)}), {{12, 0}, 1}).ValueOrDie();
  EXPECT_EQ(pca.k, 4);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], ::testing::AllOf(HasSubstr("asked for 12"), HasSubstr("5 images"),
                                             HasSubstr("4 components kept")));
  EXPECT_EQ(LoadProjection(*store_).ValueOrDie().k, 4);
}

TEST_F(ReduceTest, EqualImagesGiveAnEmptyButReadableResult) {
  dataset::Part part = DrawPart(0, 6, 3);
  part.features.assign(part.features.size(), 0.1F);
  const Pca pca = Run(Put({part}), {{3, 0}, 1}).ValueOrDie();
  EXPECT_EQ(pca.k, 0);
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(LoadPca(*store_).ValueOrDie(), pca);
  const Projection projection = LoadProjection(*store_).ValueOrDie();
  EXPECT_EQ(projection.k, 0);
  EXPECT_EQ(projection.paths.size(), 6U);
  EXPECT_TRUE(projection.values.empty());
}

TEST_F(ReduceTest, PartsWithoutImagesAreFine) {
  const auto with = Put({DrawPart(0, 9, 4), DrawPart(1, 0, 4), DrawPart(2, 5, 4)});
  const Pca pca = Run(with, {{2, 0}, 2}).ValueOrDie();
  EXPECT_EQ(pca.n, 14);
  EXPECT_EQ(LoadProjection(*store_).ValueOrDie().paths.size(), 14U);
}

TEST_F(ReduceTest, RefusesWhatCannotBeMeantBeforeReading) {
  const auto dataset = Put({DrawPart(0, 9, 4)});
  std::filesystem::remove_all(folder_ / "features");
  EXPECT_TRUE(IsUsageError(Run(dataset, {{5, 0}, 1}).status()));
  EXPECT_TRUE(IsUsageError(Run(dataset, {{9999, 0}, 1}).status()));
  EXPECT_TRUE(IsUsageError(Run(dataset, {{2, 0}, 0}).status()));
  EXPECT_TRUE(progress_.empty());
}

TEST_F(ReduceTest, NeedsTwoImages) {
  for (const int rows : {0, 1}) {
    const Status status = Run(Put({DrawPart(0, rows, 8)})).status();
    EXPECT_THAT(status.message(), HasSubstr("at least 2 images"));
    EXPECT_TRUE(store_->List("pca").ValueOrDie().empty());
  }
}

TEST_F(ReduceTest, NamesThePartThatIsNotFinite) {
  dataset::Part bad = DrawPart(1, 300, 8);
  bad.features[299 * 8 + 3] = std::numeric_limits<float>::infinity();
  for (const int threads : {1, 2}) {
    const auto dataset = Put({DrawPart(0, 20, 8), bad, DrawPart(2, 20, 8)});
    const Status status = Run(dataset, {{2, 0}, threads}).status();
    EXPECT_THAT(status.message(), HasSubstr("features/part-" + Key(1) + ".parquet"));
    EXPECT_THAT(status.message(), HasSubstr("not finite"));
  }
}

TEST_F(ReduceTest, ADamagedPartLeavesTheOldResult) {
  const auto dataset = Put({DrawPart(0, 20, 8), DrawPart(1, 20, 8)});
  ASSERT_TRUE(Run(dataset, {{2, 0}, 1}).ok());
  const auto before = AllBytes();
  const auto part = folder_ / "features" / dataset::PartName(Key(1));
  std::filesystem::resize_file(part, std::filesystem::file_size(part) - 1);
  EXPECT_THAT(Run(dataset, {{3, 0}, 2}).status().message(), HasSubstr(Key(1)));
  EXPECT_EQ(AllBytes(), before);
  EXPECT_EQ(store_->List("pca").ValueOrDie().size(), 3U);
}

TEST_F(ReduceTest, StopsBetweenPartsAndLeavesTheOldResult) {
  const auto dataset = Put({DrawPart(0, 20, 8), DrawPart(1, 20, 8), DrawPart(2, 20, 8)});
  ASSERT_TRUE(Run(dataset, {{2, 0}, 1}).ok());
  const auto before = AllBytes();
  for (const std::string stage : {"moments", "projection"}) {
    std::stop_source stop;
    Observer observer;
    observer.progress = [&](const Progress& p) {
      if (p.stage == stage) stop.request_stop();
    };
    const Status status =
        Reduce(dataset, store_.get(), {{3, 0}, 1}, observer, stop.get_token()).status();
    EXPECT_TRUE(status.IsCancelled()) << stage << status.ToString();
    EXPECT_EQ(AllBytes(), before);
    EXPECT_EQ(store_->List("pca").ValueOrDie().size(), 3U);
  }
}

TEST_F(ReduceTest, TellsAnOldResultFromTheDatasetOfNow) {
  const auto one = Put({DrawPart(0, 20, 8)});
  ASSERT_TRUE(Run(one, {{2, 0}, 1}).ok());
  EXPECT_EQ(LoadPca(*store_)->dataset, DatasetIdentity(one.manifest()));
  const auto two = Put({DrawPart(0, 20, 8), DrawPart(1, 20, 8)});
  EXPECT_NE(LoadPca(*store_)->dataset, DatasetIdentity(two.manifest()));
  dataset::Manifest other = two.manifest();
  other.recipe["resize"] = "area";
  EXPECT_NE(DatasetIdentity(other), DatasetIdentity(two.manifest()));
  other = two.manifest();
  std::swap(other.parts[0], other.parts[1]);
  EXPECT_NE(DatasetIdentity(other), DatasetIdentity(two.manifest()));
}

TEST_F(ReduceTest, NoticesFilesOfTwoReductions) {
  ASSERT_TRUE(Run(Put({DrawPart(0, 20, 8)}), {{2, 0}, 1}).ok());
  const auto old = AllBytes();
  std::filesystem::remove_all(folder_ / "features");  // a key stands for one content
  ASSERT_TRUE(Run(Put({DrawPart(1, 20, 8)}), {{2, 0}, 1}).ok());
  const auto now = AllBytes();
  for (size_t i = 0; i < kFiles.size(); ++i) {
    SCOPED_TRACE(kFiles[i]);
    ASSERT_TRUE(store_->Put(kFiles[i], old[i]).ok());
    const bool pca = LoadPca(*store_).ok();
    const bool projection = LoadProjection(*store_).ok();
    EXPECT_EQ(pca, kFiles[i] == kProjectionName);
    EXPECT_EQ(projection, kFiles[i] == kComponentsName);
    if (!pca) {
      EXPECT_THAT(LoadPca(*store_).status().message(), HasSubstr("pomona reduce"));
    }
    ASSERT_TRUE(store_->Put(kFiles[i], now[i]).ok());
  }
  EXPECT_TRUE(LoadPca(*store_).ok());
  EXPECT_TRUE(LoadProjection(*store_).ok());
}

TEST_F(ReduceTest, NothingToLoadSaysWhatToRun) {
  EXPECT_TRUE(IsNothingToRead(LoadPca(*store_).status()));
  EXPECT_TRUE(IsNothingToRead(LoadProjection(*store_).status()));
  EXPECT_THAT(LoadPca(*store_).status().message(), HasSubstr("pomona reduce"));
}

TEST_F(ReduceTest, DamagedFilesAreErrorsNotCrashes) {
  ASSERT_TRUE(Run(Put({DrawPart(0, 20, 8)}), {{2, 0}, 1}).ok());
  const auto good = AllBytes();
  const Pca want = LoadPca(*store_).ValueOrDie();
  const Projection want_projection = LoadProjection(*store_).ValueOrDie();
  for (size_t i = 0; i < kFiles.size(); ++i) {
    std::vector<std::string> bad = {"", "{}", "null", "PAR1", good[(i + 1) % 3]};
    for (size_t cut = 1; cut < good[i].size(); cut += good[i].size() / 47) {
      bad.push_back(good[i].substr(0, cut));
      bad.push_back(good[i]);
      bad.back()[cut] ^= 0x15;
    }
    for (const std::string& bytes : bad) {
      ASSERT_TRUE(store_->Put(kFiles[i], bytes).ok());
      // A flipped byte in statistics that nobody reads may go unnoticed; a wrong number may not.
      const auto pca = LoadPca(*store_);
      const auto projection = LoadProjection(*store_);
      if (kFiles[i] == kPcaModelName && bytes.size() != good[i].size()) {
        EXPECT_FALSE(pca.ok()) << bytes;
      } else if (pca.ok()) {
        EXPECT_EQ(*pca, want);
      }
      if (bytes.size() < good[i].size() && kFiles[i] == kProjectionName) {
        EXPECT_FALSE(projection.ok());
      }
      if (projection.ok()) {
        EXPECT_EQ(projection->values, want_projection.values);
        EXPECT_EQ(projection->paths, want_projection.paths);
      }
    }
    ASSERT_TRUE(store_->Put(kFiles[i], good[i]).ok());
  }
}

TEST_F(ReduceTest, ModelWithChangedFieldsIsAnError) {
  ASSERT_TRUE(Run(Put({DrawPart(0, 20, 8)}), {{2, 0}, 1}).ok());
  const auto model = nlohmann::json::parse(Bytes(kPcaModelName));
  for (const auto& [key, value] : model.items()) {
    for (const nlohmann::json& other :
         {nlohmann::json(), nlohmann::json(-1), nlohmann::json(1'000'000'000), nlohmann::json("x"),
          nlohmann::json::array({1.5}), nlohmann::json::object()}) {
      nlohmann::json changed = model;
      changed[key] = other;
      ASSERT_TRUE(store_->Put(kPcaModelName, changed.dump()).ok());
      EXPECT_FALSE(LoadPca(*store_).ok()) << key << " " << other;
    }
    nlohmann::json without = model;
    without.erase(key);
    ASSERT_TRUE(store_->Put(kPcaModelName, without.dump()).ok());
    EXPECT_FALSE(LoadPca(*store_).ok()) << key;
  }
}

TEST(ThreadsWithinTest, AsManyAsFit) {
  EXPECT_EQ(ThreadsWithin(50'000'000, 1280, 1024, 8), 0);
  EXPECT_EQ(ThreadsWithin(int64_t{8} << 30, 2048, 1024, 8), 8);
  int last = 0;
  for (int64_t bytes = 100'000'000; bytes < 2'000'000'000; bytes += 50'000'000) {
    const int threads = ThreadsWithin(bytes, 2048, 1024, 64);
    EXPECT_GE(threads, last);
    last = threads;
  }
  EXPECT_GT(last, 8);
}

}  // namespace
}  // namespace pomona::reduce
