#include "pomona/io/folder_source.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/io/file.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kNoLimit = 1 << 30;

class FolderSourceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> Open(const std::string& label = "") {
    return FolderSource::Open(folder_.path(), {label}).ValueOrDie();
  }
  Listing List(const std::string& label = "") {
    return Open(label)->List(observer_, {}).ValueOrDie();
  }

  testing::TempFolder folder_;
  std::vector<std::string> warnings_;
  Observer observer_{.progress = {},
                     .warning = [this](const std::string& w) { warnings_.push_back(w); }};
};

std::vector<std::string> Paths(const Listing& listing) {
  std::vector<std::string> paths;
  for (const Entry& entry : listing.entries) paths.push_back(entry.path);
  return paths;
}

const Entry& Find(const Listing& listing, const std::string& path) {
  for (const Entry& entry : listing.entries) {
    if (entry.path == path) return entry;
  }
  throw std::runtime_error("no entry " + path);
}

std::string Text(const Outcome<std::vector<uint8_t>>& bytes) {
  if (!bytes.ok()) return "rejected: " + std::string(ReasonName(bytes.rejection().reason));
  return {bytes.value().begin(), bytes.value().end()};
}

TEST_F(FolderSourceTest, ListsBelowSortedBytewiseAndReadsTheSameBytes) {
  // '.' < '/' < 'a': a folder's files do not stay together.
  for (const char* name : {"b.jpg", "a/z.png", "a.jpg", "a/b/c.WEBP", "B.jpg", "ab.gif"}) {
    folder_.Write(name, std::string("bytes of ") + name);
  }
  folder_.Write("notes.txt", "x");
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  EXPECT_THAT(Paths(listing),
              ElementsAre("B.jpg", "a.jpg", "a/b/c.WEBP", "a/z.png", "ab.gif", "b.jpg"));
  EXPECT_EQ(listing.ignored, 1);
  EXPECT_THAT(warnings_, IsEmpty());
  for (const Entry& entry : listing.entries) {
    EXPECT_EQ(Text(source->Read(entry, kNoLimit)), "bytes of " + entry.path);
    EXPECT_EQ(entry.size, static_cast<int64_t>(9 + entry.path.size()));
  }
}

TEST_F(FolderSourceTest, VersionIsTheModificationTimeInNanoseconds) {
  const timespec times[2] = {{1, 0}, {1'600'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, folder_.Write("a.jpg", "x").c_str(), times, 0), 0);
  EXPECT_EQ(List().entries[0].version, "1600000000123456789");
}

TEST_F(FolderSourceTest, LabelsAreParentFolders) {
  folder_.Write("top.jpg", "x");
  folder_.Write("Apple Golden 3/a.jpg", "x");
  folder_.Write("deep/caf\xE9/a.jpg", "x");
  const Listing listing = List();
  EXPECT_EQ(Find(listing, "top.jpg").label, fs::path(folder_.path()).filename().string());
  EXPECT_EQ(Find(listing, "Apple Golden 3/a.jpg").label, "Apple Golden 3");
  EXPECT_EQ(Find(listing, "deep/caf\\xE9/a.jpg").label, "caf\\xE9");
  EXPECT_EQ(List("folder").entries[0].label, listing.entries[0].label);
  for (const Entry& entry : List("none").entries) EXPECT_EQ(entry.label, std::nullopt);
}

TEST_F(FolderSourceTest, KeepsNamesOfEveryKind) {
  const std::vector<std::string> names = {"a b.jpg",
                                          "\xC3\xA9.jpg" /* NFC */,
                                          "e\xCC\x81.jpg" /* NFD */,
                                          "\xF0\x9F\x8D\x8B.jpg",
                                          "a\nb.jpg",
                                          "'\"\\$*?.jpg",
                                          "-rf.jpg",
                                          std::string(251, 'x') + ".jpg"};
  for (const std::string& name : names) folder_.Write(name, name);
  folder_.Write("caf\xE9.jpg", "latin-1");
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  EXPECT_THAT(listing.entries, SizeIs(names.size() + 1));
  for (const std::string& name : names) {
    EXPECT_EQ(Text(source->Read(Find(listing, name), kNoLimit)), name);
  }
  EXPECT_EQ(Text(source->Read(Find(listing, "caf\\xE9.jpg"), kNoLimit)), "latin-1");
}

TEST_F(FolderSourceTest, TheLaterOfTwoNamesThatLookTheSameIsADuplicate) {
  folder_.Write("caf\xE9.jpg", "raw");
  folder_.Write("caf\\xE9.jpg", "spelled out");
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  ASSERT_THAT(Paths(listing), ElementsAre("caf\\xE9.jpg", "caf\\xE9.jpg"));
  EXPECT_EQ(Text(source->Read(listing.entries[0], kNoLimit)), "spelled out");
  EXPECT_EQ(listing.entries[1].rejected->reason, Reason::kDuplicate);
  EXPECT_EQ(Text(source->Read(listing.entries[1], kNoLimit)), "rejected: duplicate");
}

TEST_F(FolderSourceTest, HiddenFilesAndFoldersAreIgnoredAndCounted) {
  folder_.Write("a.jpg", "x");
  folder_.Write(".b.jpg", "x");
  folder_.Write("._a.jpg", "x");
  folder_.Write(".thumbs/c.jpg", "x");
  folder_.Write("d/.DS_Store", "x");
  const Listing listing = List();
  EXPECT_THAT(Paths(listing), ElementsAre("a.jpg"));
  EXPECT_EQ(listing.ignored, 4);
}

TEST_F(FolderSourceTest, AFolderMayHaveAnImagesName) {
  folder_.Write("album.jpg/a.jpg", "x");
  EXPECT_THAT(Paths(List()), ElementsAre("album.jpg/a.jpg"));
}

TEST_F(FolderSourceTest, FollowsLinksToFilesAndFolders) {
  const testing::TempFolder elsewhere;
  elsewhere.Write("x/far.jpg", "far");
  folder_.Write("near.jpg", "near");
  fs::create_symlink(elsewhere / "x/far.jpg", folder_ / "file.jpg");
  fs::create_directory_symlink(elsewhere / "x", folder_ / "linked");
  fs::create_directory_symlink(elsewhere / "x", folder_ / "twice");
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  EXPECT_THAT(Paths(listing),
              ElementsAre("file.jpg", "linked/far.jpg", "near.jpg", "twice/far.jpg"));
  EXPECT_EQ(listing.entries[0].size, 3);
  EXPECT_EQ(Text(source->Read(listing.entries[1], kNoLimit)), "far");
  EXPECT_EQ(listing.entries[1].label, "linked");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(FolderSourceTest, LinksInACircleEndWithAWarning) {
  folder_.Write("a/b/x.jpg", "x");
  fs::create_directory_symlink("..", folder_ / "a/b/up");
  fs::create_directory_symlink(".", folder_ / "self");
  EXPECT_THAT(Paths(List()), ElementsAre("a/b/x.jpg"));
  ASSERT_THAT(warnings_, SizeIs(2));
  EXPECT_THAT(warnings_[0], HasSubstr("a/b/up"));
  EXPECT_THAT(warnings_[1], HasSubstr("self"));
}

TEST_F(FolderSourceTest, ResultsAmongTheImagesAreNotImages) {
  folder_.Write("a.jpg", "x");
  folder_.Write("results/plots/pca.png", "x");
  EXPECT_EQ(List().entries.size(), 2U);
  folder_.Write("results/features/_pomona/manifest.json", "{}");
  const Listing listing = List();
  ASSERT_EQ(listing.entries.size(), 1U);
  EXPECT_EQ(listing.entries[0].path, "a.jpg");
}

TEST_F(FolderSourceTest, FoldersThatLinkToEachOtherEnd) {
  folder_.Write("a/x.jpg", "x");
  folder_.Write("b/y.jpg", "y");
  fs::create_directory_symlink("../b", folder_ / "a/to_b");
  fs::create_directory_symlink("../a", folder_ / "b/to_a");
  EXPECT_THAT(Paths(List()), ElementsAre("a/to_b/y.jpg", "a/x.jpg", "b/to_a/x.jpg", "b/y.jpg"));
  EXPECT_THAT(warnings_, SizeIs(2));
}

TEST_F(FolderSourceTest, WhatIsNoFileIsRejectedWithoutOpeningIt) {
  folder_.Write("good.jpg", "x");
  ASSERT_EQ(mkfifo((folder_ / "pipe.jpg").c_str(), 0644), 0);
  fs::create_symlink("pipe.jpg", folder_ / "pipe_link.jpg");
  fs::create_symlink("/dev/zero", folder_ / "zero.png");
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder_ / "socket.jpg").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(listener);
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  ASSERT_THAT(listing.entries, SizeIs(5));
  for (const char* name : {"pipe.jpg", "pipe_link.jpg", "zero.png", "socket.jpg"}) {
    EXPECT_EQ(Find(listing, name).rejected->reason, Reason::kNotAFile) << name;
    EXPECT_EQ(Text(source->Read(Find(listing, name), kNoLimit)), "rejected: not_a_file");
  }
}

TEST_F(FolderSourceTest, APipePutInAFilesPlaceDoesNotBlock) {
  folder_.Write("a.jpg", "x");
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  fs::remove(folder_ / "a.jpg");
  ASSERT_EQ(mkfifo((folder_ / "a.jpg").c_str(), 0644), 0);
  EXPECT_EQ(Text(source->Read(listing.entries[0], kNoLimit)), "rejected: not_a_file");
}

TEST_F(FolderSourceTest, BrokenLinksAreMissing) {
  fs::create_symlink("nowhere", folder_ / "dangling.jpg");
  fs::create_symlink("ring.jpg", folder_ / "ring.jpg");
  fs::create_symlink("nowhere", folder_ / "no_image");
  const Listing listing = List();
  ASSERT_THAT(Paths(listing), ElementsAre("dangling.jpg", "ring.jpg"));
  EXPECT_EQ(listing.entries[0].rejected->reason, Reason::kMissing);
  EXPECT_THAT(listing.entries[0].rejected->detail, HasSubstr("symbolic link to what is not there"));
  EXPECT_EQ(listing.entries[1].rejected->reason, Reason::kMissing);
  EXPECT_EQ(listing.ignored, 1);
}

TEST_F(FolderSourceTest, AFolderThatCannotBeListedIsWarnedAboutAndRejected) {
  folder_.Write("a.jpg", "x");
  folder_.Write("closed/b.jpg", "x");
  ASSERT_EQ(chmod((folder_ / "closed").c_str(), 0), 0);
  const std::string seen = testing::AsNobody([&] {
    std::string out;
    for (const Entry& entry : List().entries) {
      out += entry.path + "=";
      if (entry.rejected) {
        out += std::string(ReasonName(entry.rejected->reason)) + ":" + entry.rejected->detail;
      }
      out += ";";
    }
    for (const std::string& warning : warnings_) out += warning;
    return out;
  });
  EXPECT_THAT(seen, HasSubstr("a.jpg=;closed=unreadable:the folder cannot be listed (Permission "
                              "denied);the folder closed of " +
                              folder_.path()));
  fs::permissions(folder_ / "closed", fs::perms::owner_all);
}

TEST_F(FolderSourceTest, ASourceThatCannotBeListedIsAFailure) {
  folder_.Write("closed/a.jpg", "x");
  ASSERT_EQ(chmod((folder_ / "closed").c_str(), 0), 0);
  const std::string error = testing::AsNobody([&] {
    const auto source = FolderSource::Open(folder_ / "closed", {}).ValueOrDie();
    const Status status = source->List(observer_, {}).status();
    return status.ToString() + (IsNothingToRead(status) ? " (nothing)" : "");
  });
  EXPECT_EQ(error, "IOError: the folder " + (folder_ / "closed") +
                       " cannot be listed (Permission denied)");
  fs::permissions(folder_ / "closed", fs::perms::owner_all);
}

TEST_F(FolderSourceTest, AnUnreadableImageIsRejectedWhenRead) {
  ASSERT_EQ(chmod(folder_.Write("a.jpg", "x").c_str(), 0), 0);
  EXPECT_EQ(testing::AsNobody([&] {
              const auto source = Open();
              const Listing listing = source->List(observer_, {}).ValueOrDie();
              const Rejection why = source->Read(listing.entries[0], kNoLimit).rejection();
              return std::string(ReasonName(why.reason)) + ": " + why.detail;
            }),
            "unreadable: Permission denied");
}

TEST_F(FolderSourceTest, ChangesAfterTheListingAreNoticed) {
  for (const char* name : {"same.jpg", "longer.jpg", "touched.jpg", "gone.jpg"}) {
    folder_.Write(name, "12345");
  }
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  folder_.Write("longer.jpg", "123456");
  const timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, (folder_ / "touched.jpg").c_str(), times, 0), 0);
  fs::remove(folder_ / "gone.jpg");
  EXPECT_EQ(Text(source->Read(Find(listing, "same.jpg"), kNoLimit)), "12345");
  EXPECT_EQ(Text(source->Read(Find(listing, "longer.jpg"), kNoLimit)), "rejected: changed");
  EXPECT_EQ(Text(source->Read(Find(listing, "touched.jpg"), kNoLimit)), "rejected: changed");
  EXPECT_EQ(Text(source->Read(Find(listing, "gone.jpg"), kNoLimit)), "rejected: missing");
}

TEST_F(FolderSourceTest, TheLimitIsExactAndHoldsBeforeReading) {
  folder_.Write("a.jpg", "12345");
  fs::resize_file(folder_.Write("sparse.jpg", ""), int64_t{1} << 40);  // a terabyte of nothing
  const auto source = Open();
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  EXPECT_EQ(Text(source->Read(listing.entries[0], 5)), "12345");
  EXPECT_EQ(Text(source->Read(listing.entries[0], 4)), "rejected: too_large");
  const Rejection why = source->Read(listing.entries[1], 256'000'000).rejection();
  EXPECT_EQ(why.reason, Reason::kTooLarge);
  EXPECT_EQ(why.detail, "1.1 TB, over the limit of 256.0 MB");
}

TEST_F(FolderSourceTest, EmptyFilesAreListedAndReadAsNothing) {
  folder_.Write("a.jpg", "");
  const auto source = Open();
  EXPECT_EQ(Text(source->Read(source->List(observer_, {}).ValueOrDie().entries[0], 0)), "");
}

TEST_F(FolderSourceTest, NoImageSaysWhatWasSeen) {
  Status status = Open()->List(observer_, {}).status();
  EXPECT_TRUE(IsNothingToRead(status));
  EXPECT_THAT(status.message(), HasSubstr("holds no file"));
  for (const char* name : {"a.txt", "b.TXT", "c.mp4", "README", ".hidden"}) folder_.Write(name, "");
  status = Open()->List(observer_, {}).status();
  EXPECT_TRUE(IsNothingToRead(status));
  EXPECT_THAT(status.message(), HasSubstr(folder_.path() + ": 5 files seen (2 .txt, 1 .mp4, 1 "
                                                           "hidden, 1 no extension)"));
}

TEST_F(FolderSourceTest, AFolderThatVanishesIsNothingToRead) {
  const auto source = Open();
  fs::remove_all(folder_.path());
  EXPECT_TRUE(IsNothingToRead(source->List(observer_, {}).status()));
}

TEST_F(FolderSourceTest, StopsOnRequest) {
  folder_.Write("a.jpg", "x");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(Open()->List(observer_, stop.get_token()).status().IsCancelled());
}

TEST_F(FolderSourceTest, StopsInTheMiddleAndReportsProgress) {
  for (int i = 0; i < 3000; ++i) folder_.Write(std::to_string(i) + ".jpg", "");
  std::vector<int64_t> done;
  std::stop_source stop;
  observer_.progress = [&](const Progress& p) {
    done.push_back(p.done);
    EXPECT_EQ(p.stage, "listing");
  };
  ASSERT_TRUE(Open()->List(observer_, {}).ok());
  EXPECT_EQ(done.back(), 3000);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  const size_t reports = done.size();
  observer_.progress = [&](const Progress&) { stop.request_stop(); };
  EXPECT_GT(reports, 1u);
  EXPECT_TRUE(Open()->List(observer_, stop.get_token()).status().IsCancelled());
}

TEST_F(FolderSourceTest, DeepTreesNeedOneOpenFolder) {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "d/";
  folder_.Write(name + "x.jpg", "deep");
  EXPECT_EQ(testing::InChild([&] {
              const rlimit few = {20, 20};
              setrlimit(RLIMIT_NOFILE, &few);
              const auto source = Open();
              const Listing listing = source->List(observer_, {}).ValueOrDie();
              return Text(source->Read(listing.entries.at(0), kNoLimit));
            }),
            "deep");
}

TEST_F(FolderSourceTest, ATreeDeeperThanPathsMayBeIsRejectedThere) {
  folder_.Write("a.jpg", "x");
  Fd folder(open(folder_.path().c_str(), O_RDONLY));
  const std::string name(200, 'd');
  for (int i = 0; i < 25; ++i) {  // 5,000 bytes: over PATH_MAX
    ASSERT_EQ(mkdirat(folder.get(), name.c_str(), 0755), 0);
    folder = Fd(openat(folder.get(), name.c_str(), O_RDONLY));
  }
  close(openat(folder.get(), "lost.jpg", O_CREAT | O_WRONLY, 0644));
  const Listing listing = List();
  ASSERT_THAT(listing.entries, SizeIs(2));
  EXPECT_EQ(listing.entries[1].rejected->reason, Reason::kUnreadable);
  EXPECT_THAT(listing.entries[1].rejected->detail, HasSubstr("File name too long"));
  ASSERT_THAT(warnings_, SizeIs(1));
}

TEST_F(FolderSourceTest, ARootThatIsNotUtf8IsShownEscapedAndRead) {
  folder_.Write("caf\xE9/a.jpg", "x");
  const auto source = FolderSource::Open(folder_ / "caf\xE9", {}).ValueOrDie();
  EXPECT_EQ(source->uri(), folder_ / "caf\\xE9");
  const Listing listing = source->List(observer_, {}).ValueOrDie();
  EXPECT_EQ(listing.entries[0].label, "caf\\xE9");
  EXPECT_EQ(Text(source->Read(listing.entries[0], kNoLimit)), "x");
}

}  // namespace
}  // namespace pomona::io
