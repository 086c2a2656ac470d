#include "pomona/dataset/removed.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "pomona/io/store.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::dataset {
namespace {

class RemovedTest : public ::testing::Test {
 protected:
  testing::TempFolder folder_;
  std::unique_ptr<io::Store> store_ = io::OpenStore(folder_.path()).ValueOrDie();
  Manifest manifest_;
};

TEST_F(RemovedTest, ComesBackSortedByPath) {
  const Removed pear{"pear/1.jpg", "pear", 100, "v1", "0123456789abcdef0123456789abcdef"};
  const Removed odd{"a \"b\"\n.png", std::nullopt, 0, "", ""};
  ASSERT_TRUE(WriteRemoved(store_.get(), {pear, odd}, &manifest_).ok());
  EXPECT_EQ(manifest_.removed, 2);
  EXPECT_EQ(ReadRemoved(*store_, manifest_).ValueOrDie(), (std::vector<Removed>{odd, pear}));
}

TEST_F(RemovedTest, AListThatIsThereIsNotWrittenAgain) {
  namespace fs = std::filesystem;
  ASSERT_TRUE(WriteRemoved(store_.get(), {{"a", "b", 1, "v", "c"}}, &manifest_).ok());
  const fs::path file = folder_ / RemovedName(manifest_.removed_hash);
  fs::create_hard_link(file, folder_ / "same");
  ASSERT_TRUE(WriteRemoved(store_.get(), {{"a", "b", 1, "v", "c"}}, &manifest_).ok());
  EXPECT_EQ(fs::hard_link_count(file), 2U);  // a write would put another file there
}

TEST_F(RemovedTest, NothingRemovedIsNoFile) {
  ASSERT_TRUE(WriteRemoved(store_.get(), {}, &manifest_).ok());
  EXPECT_EQ(manifest_.removed_hash, "");
  EXPECT_TRUE(ReadRemoved(*store_, manifest_).ValueOrDie().empty());
  EXPECT_TRUE(store_->List("").ValueOrDie().empty());
}

TEST_F(RemovedTest, AnotherFileUnderTheNameIsRefused) {
  ASSERT_TRUE(WriteRemoved(store_.get(), {{"a", "b", 1, "v", "c"}}, &manifest_).ok());
  ASSERT_TRUE(store_->Put(RemovedName(manifest_.removed_hash), "something else").ok());
  EXPECT_NE(ReadRemoved(*store_, manifest_).status().message().find("is not what was committed"),
            std::string::npos);
}

TEST_F(RemovedTest, AMissingFileIsAnErrorThatNamesIt) {
  manifest_.removed = 1;
  manifest_.removed_hash = "0123456789abcdef0123456789abcdef";
  EXPECT_NE(ReadRemoved(*store_, manifest_).status().message().find("removed-0123456789abcdef"),
            std::string::npos);
}

}  // namespace
}  // namespace pomona::dataset
