#include "pomona/io/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

using ::testing::HasSubstr;

TEST(UriSchemeTest, OnlyWhatIsFollowedByTwoSlashes) {
  EXPECT_EQ(UriScheme("s3://bucket/key"), "s3");
  EXPECT_EQ(UriScheme("s3a://b"), "s3a");
  EXPECT_EQ(UriScheme("file:///a"), "file");
  for (const char* path : {"", "/a/b", "a:b", "C:/x", "://x", "my dir://x", "1a://x", "/a://b"}) {
    EXPECT_EQ(UriScheme(path), "") << path;
  }
}

TEST(LocalPathTest, IsAbsoluteAndPlain) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(LocalPath("/a/b").ValueOrDie(), "/a/b");
  EXPECT_EQ(LocalPath("/a//b/./c/").ValueOrDie(), "/a/b/c");
  EXPECT_EQ(LocalPath("/").ValueOrDie(), "/");
  EXPECT_EQ(LocalPath(".").ValueOrDie(), here);
  EXPECT_EQ(LocalPath("no/such").ValueOrDie(), here + "/no/such");
  EXPECT_EQ(LocalPath("caf\xE9").ValueOrDie(), here + "/caf\xE9");
  EXPECT_EQ(LocalPath("file:///a%20b/%C3%A9").ValueOrDie(), "/a b/é");
  EXPECT_EQ(LocalPath("file://localhost/a").ValueOrDie(), "/a");
}

TEST(LocalPathTest, DotDotFollowsLinks) {
  const testing::TempFolder folder;
  folder.Write("real/deep/x", "");
  std::filesystem::create_directory_symlink("real/deep", folder / "link");
  EXPECT_EQ(LocalPath(folder / "link/../new").ValueOrDie(), folder / "real/new");
}

TEST(LocalPathTest, RefusesWhatIsNoPath) {
  for (const std::string& uri : {std::string(), std::string("a\0b", 3), std::string("file://"),
                                 std::string("file://server/share"), std::string("file://a")}) {
    EXPECT_TRUE(IsUsageError(LocalPath(uri).status())) << uri;
  }
}

TEST(RejectionForTest, TellsTheReasons) {
  EXPECT_EQ(RejectionFor(ENOENT).reason, Reason::kMissing);
  EXPECT_EQ(RejectionFor(ENOTDIR).reason, Reason::kMissing);
  EXPECT_EQ(RejectionFor(ELOOP).reason, Reason::kMissing);
  EXPECT_EQ(RejectionFor(ENXIO).reason, Reason::kNotAFile);
  for (int error : {EACCES, EPERM, EIO, EMFILE, ENAMETOOLONG, ESTALE}) {
    EXPECT_EQ(RejectionFor(error).reason, Reason::kUnreadable);
    EXPECT_EQ(RejectionFor(error).detail, ErrnoText(error));
  }
}

TEST(VersionOfTest, IsTheTimeInNanoseconds) {
  struct stat info = {};
  info.st_mtim = {1'700'000'000, 7};
  EXPECT_EQ(VersionOf(info), "1700000000000000007");
  info.st_mtim = {-2, 999'999'999};  // before 1970
  EXPECT_EQ(VersionOf(info), "-1000000001");
  info.st_mtim = {1'700'000'000'000, 0};  // beyond what 64 bits hold: it wraps around
  EXPECT_EQ(VersionOf(info), "2899545218721251328");
}

TEST(ReadRangeTest, GivesTheRangeOrChanged) {
  const testing::TempFolder folder;
  struct stat info;
  const Outcome<Fd> fd = OpenForReading(folder.Write("x", "0123456789"), &info);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(info.st_size, 10);
  EXPECT_EQ(ReadRange(fd.value().get(), 3, 4).value(), (std::vector<uint8_t>{'3', '4', '5', '6'}));
  EXPECT_TRUE(ReadRange(fd.value().get(), 10, 0).value().empty());
  EXPECT_EQ(ReadRange(fd.value().get(), 8, 3).rejection().reason, Reason::kChanged);
  EXPECT_EQ(ReadRange(-1, 0, 1).rejection().reason, Reason::kUnreadable);
}

TEST(OpenForReadingTest, NeverBlocksAndTakesOnlyFiles) {
  const testing::TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0644), 0);
  struct stat info;
  EXPECT_THAT(OpenForReading(folder / "pipe", &info).rejection().detail, HasSubstr("named pipe"));
  EXPECT_THAT(OpenForReading("/dev/null", &info).rejection().detail, HasSubstr("device"));
  EXPECT_THAT(OpenForReading(folder.path(), &info).rejection().detail, HasSubstr("folder"));
  EXPECT_EQ(OpenForReading(folder / "none", &info).rejection().reason, Reason::kMissing);
}

TEST(FdTest, ClosesWhatItOwns) {
  const testing::TempFolder folder;
  int raw = -1;
  {
    Fd first(open(folder.path().c_str(), O_RDONLY));
    raw = first.get();
    Fd second;
    second = std::move(first);
    EXPECT_FALSE(first.ok());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.get(), raw);
    EXPECT_EQ(fcntl(raw, F_GETFD) & ~FD_CLOEXEC, 0);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace pomona::io
