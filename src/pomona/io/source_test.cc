#include "pomona/io/source.h"

#include <sys/stat.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

using ::testing::HasSubstr;

TEST(HasImageNameTest, GoesByTheLastExtension) {
  for (const char* name :
       {"a.jpg", "a.JPG", "a.JpEg", "a.b.jpe", "a.png", "a b.webp", "a.gif", "a.bmp", "a.tif",
        "a.tiff", "a.heic", "a.avif", "a.jp2", "a.jxl", "\xFF.jpg"}) {
    EXPECT_TRUE(HasImageName(name)) << name;
  }
  for (const char* name : {"", "jpg", ".jpg", "a.", "a.jpg.txt", "a.jpg~", "a.jpgx", ".a.jpg",
                           "._a.jpg", "a.txt", "a.jpg ", "a", "..", ".", "..jpg.png"}) {
    EXPECT_FALSE(HasImageName(name)) << name;
  }
}

Status OpenError(const std::string& uri, const std::string& label = "") {
  return OpenSource(uri, {label}).status();
}

TEST(OpenSourceTest, WhatIsNotThereIsNothingToRead) {
  const testing::TempFolder folder;
  folder.Write("file", "");
  for (const std::string& path : {folder / "none", folder / "none.tar", folder / "file/below"}) {
    EXPECT_TRUE(IsNothingToRead(OpenError(path))) << path;
    EXPECT_THAT(OpenError(path).message(), HasSubstr(path));
  }
}

TEST(OpenSourceTest, SaysWhatToDoWithOtherThings) {
  const testing::TempFolder folder;
  const auto expect = [&](const std::string& uri, const std::string& advice) {
    const Status status = OpenError(uri);
    EXPECT_TRUE(IsUsageError(status)) << uri << ": " << status;
    EXPECT_THAT(status.message(), HasSubstr(advice)) << uri;
  };
  expect(folder.Write("a.jpg", "x"), "give the folder");
  expect(folder.Write("a.TAR.GZ", "x"), "compressed tar");
  expect(folder.Write("a.tgz", "x"), "compressed tar");
  expect(folder.Write("a.zip", "x"),
         "give a folder, a .tar file, a .parquet file or a .csv manifest");
  expect(folder.Write("a", "x"), "give a folder");
  expect("hdfs://host/x", "hdfs:// sources are not known; give a folder");
  expect("s3:///x", "names no bucket");
  expect("gs://", "names no bucket");
  expect("https://example.org/x.tar", "https://");
  expect("", "no path");
  ASSERT_EQ(mkfifo((folder / "p.tar").c_str(), 0644), 0);
  expect(folder / "p.tar", "no source");
}

TEST(OpenSourceTest, OnlyManifestsHaveColumns) {
  const testing::TempFolder folder;
  const Status status = OpenError(folder.path(), "variety");
  EXPECT_TRUE(IsUsageError(status));
  EXPECT_THAT(status.message(), HasSubstr("no column variety"));
}

TEST(OpenSourceTest, TakesFileUrisAndRecordsAnAbsolutePath) {
  const testing::TempFolder folder;
  folder.Write("my images.tar/a.jpg", "x");  // a folder, whatever its name
  const auto source = OpenSource("file://" + (folder / "my%20images.tar"), {}).ValueOrDie();
  EXPECT_EQ(source->uri(), folder / "my images.tar");
  EXPECT_EQ(source->List({}, {}).ValueOrDie().entries.size(), 1u);
}

TEST(OpenSourceTest, AFolderThatMayNotBeSearchedIsAFailure) {
  const testing::TempFolder folder;
  folder.Write("closed/in/a.jpg", "x");
  ASSERT_EQ(chmod((folder / "closed").c_str(), 0), 0);
  EXPECT_THAT(testing::AsNobody([&] { return OpenError(folder / "closed/in").ToString(); }),
              HasSubstr("IOError: cannot read " + folder.path() + "/closed/in: Permission denied"));
  ASSERT_EQ(chmod((folder / "closed").c_str(), 0755), 0);
}

}  // namespace
}  // namespace pomona::io
