#include "pomona/model/card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

json Valid() {
  return json::parse(R"({
    "id": "mine", "task": "image-features", "description": "a network", "licence": "MIT",
    "architecture": "graph",
    "weights": {"file": "mine.onnx"},
    "input": {"width": 224, "height": 192, "channels": "bgr", "mean": [103.939, 116.779, 123.68],
              "scale": [1, 2, 0.5]},
    "output": {"node": "pool", "dimension": 512}})");
}

Result<Card> ReadJson(const json& card) {
  const TempFolder folder;
  return ReadCard(folder.Write("mine.json", card.dump()));
}

TEST(CardTest, ReadsEveryField) {
  json text = Valid();
  text["source"] = "a paper";
  text["weights"] = {{"url", "https://example.org/w"}, {"file", "w.onnx"},
                     {"sha256", std::string(64, 'a')}, {"sha256_prefix", std::string(8, 'a')},
                     {"md5", std::string(32, 'b')},    {"bundled", false}};
  text["input"]["node"] = "data";
  ASSERT_OK_AND_ASSIGN(const Card card, ReadJson(text));
  EXPECT_EQ(card.id, "mine");
  EXPECT_EQ(card.description, "a network");
  EXPECT_EQ(card.licence, "MIT");
  EXPECT_EQ(card.source, "a paper");
  EXPECT_EQ(card.architecture, Architecture::kGraph);
  EXPECT_EQ(card.weights.url, "https://example.org/w");
  EXPECT_EQ(card.weights.file, "w.onnx");
  EXPECT_EQ(card.weights.sha256, std::string(64, 'a'));
  EXPECT_EQ(card.weights.sha256_prefix, std::string(8, 'a'));
  EXPECT_EQ(card.weights.md5, std::string(32, 'b'));
  EXPECT_EQ(card.input.node, "data");
  EXPECT_EQ(card.input.width, 224);
  EXPECT_EQ(card.input.height, 192);
  EXPECT_EQ(card.input.channels, "bgr");
  EXPECT_THAT(card.input.mean, ElementsAre(103.939F, 116.779F, 123.68F));
  EXPECT_THAT(card.input.scale, ElementsAre(1, 2, 0.5F));
  EXPECT_EQ(card.output.node, "pool");
  EXPECT_EQ(card.output.dimension, 512);
}

TEST(CardTest, IdentityHoldsWhatDecidesFeaturesAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(const Card card, ReadJson(Valid()));
  json prose = Valid();
  prose["description"] = "another text";
  prose["licence"] = "BSD-3-Clause";
  prose["weights"]["file"] = "elsewhere.onnx";
  ASSERT_OK_AND_ASSIGN(const Card same, ReadJson(prose));
  EXPECT_EQ(card.Identity(), same.Identity());
  json other = Valid();
  other["input"]["mean"][0] = 103.9391;
  ASSERT_OK_AND_ASSIGN(const Card differs, ReadJson(other));
  EXPECT_NE(card.Identity(), differs.Identity());
  EXPECT_EQ(card.Identity().dump(),
            R"({"architecture":"graph","input":{"channels":"bgr","height":192,)"
            R"("mean":[103.939,116.779,123.68],"node":"","scale":[1.0,2.0,0.5],"width":224},)"
            R"("output":{"dimension":512,"node":"pool"}})");
}

struct Mistake {
  const char* pointer;  // RFC 6901, what is changed
  json value;           // null: removed
  const char* said;
};

TEST(CardTest, AnErrorNamesFileAndField) {
  const std::vector<Mistake> mistakes = {
      {"/id", nullptr, "field 'id' is missing"},
      {"/id", 7, "field 'id' must be text"},
      {"/id", "../mine", "field 'id' must be at most 64"},
      {"/id", "other", "field 'id' is 'other', but must be the file's name, 'mine'"},
      {"/task", "poetry", "field 'task'"},
      {"/description", "", "field 'description' is empty"},
      {"/licence", nullptr, "field 'licence' is missing"},
      {"/architecture", "vgg", "one of: resnet50-keras, resnet50-torchvision, graph"},
      {"/license", "MIT", "field 'license' is not a field that cards have"},
      {"/input/std", 1, "field 'input.std' is not a field that cards have"},
      {"/weights", 3, "field 'weights' must be an object"},
      {"/weights/file", nullptr, "field 'weights.file' is missing"},
      {"/weights/file", "../../etc/passwd", "field 'weights.file' must be a file name"},
      {"/weights/file", "/etc/passwd", "field 'weights.file' must be a file name"},
      {"/weights/url", "file:///etc/passwd", "field 'weights.url' must start with https://"},
      {"/weights/url", "https://example.org/w", "needs a checksum"},
      {"/weights/sha256", "ABC", "field 'weights.sha256' must be 64 lower-case hex"},
      {"/weights/sha256_prefix", "abc", "field 'weights.sha256_prefix'"},
      {"/weights/md5", "xyz", "field 'weights.md5'"},
      {"/weights/bundled", "yes", "field 'weights.bundled' must be true or false"},
      {"/input/width", 0, "field 'input.width' must be an integer from 32 to 4096"},
      {"/input/width", 1e9, "field 'input.width'"},
      {"/input/height", 99999999999, "field 'input.height'"},
      {"/input/channels", "grb", "field 'input.channels'"},
      {"/input/mean", {1, 2}, "field 'input.mean' must be three numbers"},
      {"/input/mean", {1, 2, "x"}, "field 'input.mean' must be three numbers"},
      {"/input/mean", {1, 2, 1e300}, "field 'input.mean' must be finite"},
      {"/input/scale", {1, 0, 1}, "field 'input.scale' must be over 0"},
      {"/output/dimension", -1, "field 'output.dimension'"},
      {"/output/dimension", nullptr, "field 'output.dimension' is missing"},
  };
  for (const Mistake& mistake : mistakes) {
    json card = Valid();
    const json::json_pointer at(mistake.pointer);
    if (mistake.value.is_null()) {
      card[at.parent_pointer()].erase(at.back());
    } else {
      card[at] = mistake.value;
    }
    const Status status = ReadJson(card).status();
    EXPECT_THAT(status.message(), HasSubstr(mistake.said)) << mistake.pointer;
    EXPECT_THAT(status.message(), HasSubstr("mine.json: ")) << mistake.pointer;
  }
}

TEST(CardTest, BuiltInNetworksLeaveNoChoice) {
  json card = Valid();
  card["architecture"] = "resnet50-keras";
  EXPECT_THAT(ReadJson(card).status().message(), HasSubstr("'output.node' is only for"));
  card["output"] = {{"dimension", 512}};
  EXPECT_THAT(ReadJson(card).status().message(), HasSubstr("'output.dimension' must be 2048"));
  card["output"] = {{"dimension", 2048}};
  EXPECT_TRUE(ReadJson(card).ok());
}

TEST(CardTest, WhatIsNoCardIsSaid) {
  const TempFolder folder;
  const auto message = [&](const std::string& text) {
    return ReadCard(folder.Write("mine.json", text)).status().message();
  };
  EXPECT_THAT(message(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("{\"id\": "), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("\xff\xfe{}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(message(std::string(2 << 20, ' ')), HasSubstr("too large"));
  EXPECT_THAT(ReadCard(folder.path() / "absent.json").status().message(),
              HasSubstr("absent.json: cannot read it: No such file"));
  EXPECT_FALSE(ReadCard(folder.path()).ok());
}

TEST(CardFoldersTest, TheProjectsOwnCardsAreValid) {
  const TempFolder empty;
  const ScopedEnv own("POMONA_MODELS", "");
  const ScopedEnv config("XDG_CONFIG_HOME", empty.path().string());
  ASSERT_OK_AND_ASSIGN(const std::vector<Card> cards, ListCards());
  std::vector<std::string> ids;
  for (const Card& card : cards) ids.push_back(card.id);
  EXPECT_THAT(ids, ElementsAre("efficientnet-lite0", "efficientnet-lite0-int8", "resnet50",
                               "resnet50-v1.5"));
  EXPECT_TRUE(FindWeights(cards[0]).ok());
  EXPECT_TRUE(FindWeights(cards[1]).ok());
}

TEST(CardFoldersTest, AnotherProgramSaysWhereOurCardsAre) {
  const TempFolder folder;
  SetOwnCardFolder(folder.path());
  EXPECT_EQ(OwnCardFolder(), folder.path());
  EXPECT_EQ(CardFolders().back(), folder.path());
  SetOwnCardFolder({});
  EXPECT_TRUE(fs::exists(OwnCardFolder() / "resnet50.json"));
}

TEST(CardFoldersTest, TheFirstFolderWins) {
  const TempFolder first, config;
  fs::create_directories(config.path() / "pomona/models");
  const ScopedEnv own("POMONA_MODELS", first.path().string());
  const ScopedEnv xdg("XDG_CONFIG_HOME", config.path().string());
  json card = Valid();
  card["description"] = "the first";
  first.Write("mine.json", card.dump());
  card["description"] = "the second";
  config.Write("pomona/models/mine.json", card.dump());
  card["id"] = "theirs";
  config.Write("pomona/models/theirs.json", card.dump());
  ASSERT_OK_AND_ASSIGN(const Card mine, FindCard("mine"));
  EXPECT_EQ(mine.description, "the first");
  EXPECT_TRUE(FindCard("theirs").ok());
  EXPECT_TRUE(FindCard("resnet50").ok());
}

TEST(CardFoldersTest, AnUnknownIdListsTheKnown) {
  const Status status = FindCard("resnet51").status();
  EXPECT_TRUE(IsUsageError(status));
  EXPECT_THAT(status.message(), HasSubstr("no model resnet51: there are efficientnet-lite0, "));
}

TEST(CardFoldersTest, ABrokenCardDoesNotHideTheOthers) {
  const TempFolder folder;
  const ScopedEnv own("POMONA_MODELS", folder.path().string());
  folder.Write("broken.json", "{");
  EXPECT_TRUE(FindCard("resnet50").ok());
  EXPECT_THAT(ListCards().status().message(), HasSubstr("broken.json: it is not valid JSON"));
}

TEST(CardFoldersTest, AFolderThatWasNamedMustBeThere) {
  const ScopedEnv own("POMONA_MODELS", "/nonexistent/models");
  EXPECT_THAT(FindCard("resnet50").status().message(), HasSubstr("/nonexistent/models"));
}

TEST(CardFoldersTest, ACardCanBeNamedByItsPath) {
  const TempFolder folder;
  const fs::path file = folder.Write("mine.json", Valid().dump());
  ASSERT_OK_AND_ASSIGN(const Card card, FindCard(file.string()));
  EXPECT_EQ(card.path, file);
  EXPECT_THAT(FindWeights(card).status().message(),
              HasSubstr((folder.path() / "mine.onnx").string()));
  folder.Write("mine.onnx", "x");
  ASSERT_OK_AND_ASSIGN(const fs::path weights, FindWeights(card));
  EXPECT_EQ(weights, folder.path() / "mine.onnx");
}

TEST(CardFoldersTest, TheCacheFollowsXdg) {
  {
    const ScopedEnv cache("XDG_CACHE_HOME", "/somewhere");
    EXPECT_EQ(CacheFolder(), "/somewhere/pomona/models");
  }
  const ScopedEnv cache("XDG_CACHE_HOME", "relative");
  const ScopedEnv home("HOME", "/home/someone");
  EXPECT_EQ(CacheFolder(), "/home/someone/.cache/pomona/models");
}

}  // namespace
}  // namespace pomona::model
