#include "pomona/io/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/io/file_output.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

class StoreTest : public ::testing::Test {
 protected:
  std::string Root() const { return folder_ / "results"; }
  std::unique_ptr<Store> Open() const { return OpenStore(Root()).ValueOrDie(); }

  testing::TempFolder folder_;
};

std::vector<std::string> Names(const Store& store, const std::string& prefix = "") {
  std::vector<std::string> names;
  for (const FileInfo& file : store.List(prefix).ValueOrDie()) names.push_back(file.name);
  return names;
}

TEST_F(StoreTest, GivesBackWhatWasPut) {
  const auto store = Open();
  const std::string bytes("a\0b\xFF\n", 5);
  EXPECT_FALSE(fs::exists(Root()));  // made by the first write only
  ASSERT_TRUE(store->Put("features/_pomona/manifest.json", bytes).ok());
  EXPECT_EQ(store->Read("features/_pomona/manifest.json").ValueOrDie()->ToString(), bytes);
  ASSERT_TRUE(store->Put("features/_pomona/manifest.json", "shorter").ok());
  EXPECT_EQ(store->Read("features/_pomona/manifest.json").ValueOrDie()->ToString(), "shorter");
  ASSERT_TRUE(store->Put("empty", "").ok());
  EXPECT_EQ(store->Read("empty").ValueOrDie()->size(), 0);
  EXPECT_EQ(store->uri(), Root());
  EXPECT_EQ(store->Describe("a/b"), Root() + "/a/b");
}

TEST_F(StoreTest, OpensForRandomAccess) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("x", "0123456789").ok());
  const auto file = store->Open("x").ValueOrDie();
  EXPECT_EQ(file->GetSize().ValueOrDie(), 10);
  EXPECT_EQ(file->ReadAt(3, 4).ValueOrDie()->ToString(), "3456");
}

TEST_F(StoreTest, AFileHasItsNameOnlyAfterCommit) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("a/x", "old").ok());
  auto pending = store->Create("a/x").ValueOrDie();
  ASSERT_TRUE(pending->stream()->Write("new", 3).ok());
  EXPECT_EQ(store->Read("a/x").ValueOrDie()->ToString(), "old");

  const auto files = store->List("").ValueOrDie();
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_THAT(files[0].name, MatchesRegex("a/\\.x\\.[0-9]+-[0-9a-f]+\\.tmp"));
  EXPECT_EQ(files[1].name, "a/x");
  EXPECT_THAT(store->ListUnfinished().ValueOrDie(), ElementsAre(files[0].name));

  ASSERT_TRUE(pending->Commit().ok());
  EXPECT_EQ(store->Read("a/x").ValueOrDie()->ToString(), "new");
  EXPECT_THAT(Names(*store), ElementsAre("a/x"));
  EXPECT_TRUE(pending->Commit().IsInvalid());
  pending.reset();
  EXPECT_THAT(Names(*store), ElementsAre("a/x"));
}

TEST_F(StoreTest, WhatIsNotCommittedLeavesNothing) {
  const auto store = Open();
  {
    const auto pending = store->Create("x").ValueOrDie();
    ASSERT_TRUE(pending->stream()->Write("new", 3).ok());
  }
  EXPECT_THAT(Names(*store), IsEmpty());
  EXPECT_FALSE(store->Exists("x").ValueOrDie());
}

// A writer that is killed cannot clean up; what it leaves is marked.
TEST_F(StoreTest, AKilledWriterLeavesATemporaryFile) {
  testing::InChild([&]() -> std::string {
    auto pending = Open()->Create("x").ValueOrDie();
    if (!pending->stream()->Write("half", 4).ok()) return "failed";
    kill(getpid(), SIGKILL);
    return "";
  });
  const auto files = Open()->List("").ValueOrDie();
  ASSERT_THAT(files, SizeIs(1));
  EXPECT_EQ(files[0].size, 4);
  EXPECT_THAT(Open()->ListUnfinished().ValueOrDie(), ElementsAre(files[0].name));
}

TEST_F(StoreTest, OnlyItsOwnUnfinishedFilesAreTemporary) {
  folder_.Write("results/.x.12-0123456789abcdef.tmp", "");
  folder_.Write("results/.x.tmp", "");
  folder_.Write("results/x.12-0123456789abcdef.tmp", "");
  folder_.Write("results/.x.12-0123456789ABCDEF.tmp", "");
  folder_.Write("results/._SUCCESS.crc", "");
  EXPECT_THAT(Open()->ListUnfinished().ValueOrDie(), ElementsAre(".x.12-0123456789abcdef.tmp"));
}

TEST_F(StoreTest, ClosingTheStreamIsNotCommitting) {
  const auto store = Open();
  const auto pending = store->Create("x").ValueOrDie();
  ASSERT_TRUE(pending->stream()->Write("abc", 3).ok());
  EXPECT_EQ(pending->stream()->Tell().ValueOrDie(), 3);
  ASSERT_TRUE(pending->stream()->Close().ok());
  EXPECT_TRUE(pending->stream()->closed());
  EXPECT_FALSE(pending->stream()->Write("d", 1).ok());
  EXPECT_FALSE(store->Exists("x").ValueOrDie());
  ASSERT_TRUE(pending->Commit().ok());
  EXPECT_EQ(store->Read("x").ValueOrDie()->ToString(), "abc");
}

TEST_F(StoreTest, PutsIfNothingChanged) {
  const auto store = Open();
  EXPECT_FALSE(store->ReadState("a/x").ValueOrDie().has_value());
  EXPECT_TRUE(IsConflict(store->PutIf("a/x", "one", "some version")));
  ASSERT_TRUE(store->PutIf("a/x", "one", std::nullopt).ok());
  const auto one = store->ReadState("a/x").ValueOrDie();
  EXPECT_EQ(one->bytes->ToString(), "one");
  EXPECT_TRUE(IsConflict(store->PutIf("a/x", "two", std::nullopt)));
  ASSERT_TRUE(store->PutIf("a/x", "two", one->version).ok());
  EXPECT_TRUE(IsConflict(store->PutIf("a/x", "three", one->version)));
  EXPECT_EQ(store->Read("a/x").ValueOrDie()->ToString(), "two");
  EXPECT_THAT(Names(*store), ElementsAre("a/x"));
}

// Every increment is counted: of those who read the same state, one puts the next.
TEST_F(StoreTest, OfManyThatPutAtATimeOneWins) {
  ASSERT_TRUE(Open()->Put("n", "").ok());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      const auto store = Open();
      for (int done = 0; done < 10;) {
        const auto state = *store->ReadState("n").ValueOrDie();
        done += store->PutIf("n", state.bytes->ToString() + "x", state.version).ok() ? 1 : 0;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Open()->Read("n").ValueOrDie()->size(), 80);
}

TEST_F(StoreTest, TwoWritersOfOneNameDoNotMix) {
  const auto store = Open();
  const auto first = store->Create("x").ValueOrDie();
  const auto second = store->Create("x").ValueOrDie();
  ASSERT_TRUE(first->stream()->Write("first", 5).ok());
  ASSERT_TRUE(second->stream()->Write("second", 6).ok());
  ASSERT_TRUE(second->Commit().ok());
  EXPECT_EQ(store->Read("x").ValueOrDie()->ToString(), "second");
  ASSERT_TRUE(first->Commit().ok());
  EXPECT_EQ(store->Read("x").ValueOrDie()->ToString(), "first");
}

TEST_F(StoreTest, ReadersSeeTheOldOrTheNewFileWhileWritersReplaceIt) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("deep/x", std::string(10'000, 'a')).ok());
  std::jthread writer([&](const std::stop_token& stop) {
    const auto own = Open();
    for (char c = 'a'; !stop.stop_requested(); c = c == 'z' ? 'a' : static_cast<char>(c + 1)) {
      ASSERT_TRUE(own->Put("deep/x", std::string(10'000, c)).ok());
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::string bytes = store->Read("deep/x").ValueOrDie()->ToString();
    ASSERT_EQ(bytes, std::string(10'000, bytes[0]));
    ASSERT_TRUE(store->List("").ok());  // although temporary files come and go
  }
}

TEST_F(StoreTest, ListsBelowAFolderSortedByName) {
  const auto store = Open();
  EXPECT_THAT(Names(*store), IsEmpty());
  for (const char* name : {"b", "a/z", "a.x", "a/b/c", "ab"})
    ASSERT_TRUE(store->Put(name, "1").ok());
  EXPECT_THAT(Names(*store), ElementsAre("a.x", "a/b/c", "a/z", "ab", "b"));
  EXPECT_THAT(Names(*store, "a"), ElementsAre("a/b/c", "a/z"));
  EXPECT_THAT(Names(*store, "a/b"), ElementsAre("a/b/c"));
  EXPECT_THAT(Names(*store, "none"), IsEmpty());
  EXPECT_EQ(store->List("").ValueOrDie()[0].size, 1);
}

TEST_F(StoreTest, ExistsIsAboutFiles) {
  const auto store = Open();
  EXPECT_FALSE(store->Exists("x").ValueOrDie());
  ASSERT_TRUE(store->Put("a/x", "1").ok());
  EXPECT_TRUE(store->Exists("a/x").ValueOrDie());
  EXPECT_FALSE(store->Exists("a").ValueOrDie());
  EXPECT_FALSE(store->Exists("a/x/y").ValueOrDie());
}

TEST_F(StoreTest, DeletesAndForgivesWhatIsNotThere) {
  const auto store = Open();
  ASSERT_TRUE(store->Put("a/x", "1").ok());
  EXPECT_TRUE(store->Delete("a/x").ok());
  EXPECT_FALSE(store->Exists("a/x").ValueOrDie());
  EXPECT_TRUE(store->Delete("a/x").ok());
  EXPECT_TRUE(store->Delete("never/was").ok());
  EXPECT_FALSE(store->Delete("a").ok());  // a folder
}

TEST_F(StoreTest, ErrorsNameTheFileAndTheReason) {
  const auto store = Open();
  EXPECT_EQ(store->Read("x").status().message(),
            "cannot open " + Root() + "/x: there is no such file");
  ASSERT_TRUE(store->Put("x", "1").ok());
  EXPECT_EQ(store->Put("x/y", "1").message(),
            "cannot make the folder " + Root() + "/x: a file has its name");
  ASSERT_TRUE(store->Put("a/y", "1").ok());
  EXPECT_THAT(store->Put("a", "1").message(), HasSubstr("Is a directory"));
  EXPECT_THAT(store->Read("a").status().message(), HasSubstr("a folder, not a file"));
  EXPECT_THAT(Names(*store), ElementsAre("a/y", "x"));  // nothing temporary is left
}

TEST_F(StoreTest, NamesStayInside) {
  const auto store = Open();
  for (const char* name : {"", "/x", "../x", "a/../x", "a//x", "a/", ".", "./x", ".."}) {
    EXPECT_TRUE(store->Create(name).status().IsInvalid()) << name;
    EXPECT_TRUE(store->Open(name).status().IsInvalid()) << name;
    EXPECT_TRUE(store->Exists(name).status().IsInvalid()) << name;
    EXPECT_TRUE(store->Delete(name).IsInvalid()) << name;
  }
  EXPECT_TRUE(store->List("../x").status().IsInvalid());
  EXPECT_TRUE(store->Put("..x", "1").ok());
}

TEST_F(StoreTest, AFolderThatMayNotBeWrittenIsAFailure) {
  fs::create_directory(Root());
  fs::permissions(Root(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  if (geteuid() != 0) fs::permissions(Root(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(testing::AsNobody([&] { return Open()->Put("x", "1").ToString(); }),
            "IOError: Permission denied while writing " + Root() + "/x (0 B written)");
  EXPECT_EQ(testing::AsNobody([&] { return Open()->Put("a/x", "1").ToString(); }),
            "IOError: cannot make the folder " + Root() + "/a: Permission denied");
}

// A limit on the size of files stands in for a full disk: both cut a write in the middle.
TEST_F(StoreTest, AFullDiskSaysWhatToDoAndLeavesNothing) {
  const std::string seen = testing::InChild([&] {
    const rlimit limit = {10'000, 10'000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto store = Open();
    std::string out = store->Put("fits", std::string(10'000, 'x')).ToString() + "\n";
    out += store->Put("a/big", std::string(10'001, 'x')).ToString() + "\n";
    for (const std::string& name : Names(*store)) out += name + " ";
    return out;
  });
  EXPECT_EQ(seen, "OK\nIOError: file size limit reached while writing " + Root() +
                      "/a/big (10.0 kB written): raise it (ulimit -f) and run the same command "
                      "again; what is finished is kept\nfits ");
}

TEST_F(StoreTest, AFileWhoseWritesFailedIsNeverCommitted) {
  const std::string seen = testing::InChild([&] {
    const rlimit limit = {4, 4};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto store = Open();
    auto pending = store->Create("x").ValueOrDie();
    const Status first = pending->stream()->Write("12345", 5);
    const Status then = pending->stream()->Write("", 0);  // the caller looked away
    return std::string(!first.ok() && !then.ok() && pending->Commit().Equals(first) &&
                               !store->Exists("x").ValueOrDie()
                           ? "never"
                           : "committed");
  });
  EXPECT_EQ(seen, "never");
}

TEST(FileOutputTest, AFullDeviceIsOneClearSentence) {
  FileOutput output(Fd(open("/dev/full", O_WRONLY)), "/results/part 1");
  EXPECT_EQ(output.Write("x", 1).message(),
            "no space left while writing '/results/part 1' (0 B written): free some and run the "
            "same command again; what is finished is kept");
  EXPECT_FALSE(output.Sync().ok());
}

TEST(FileOutputTest, QuotasAndOtherErrorsHaveTheirOwnWords) {
  EXPECT_EQ(WriteError(EDQUOT, "x", 12'300'000).message(),
            "disk quota exceeded while writing x (12.3 MB written): free some and run the same "
            "command again; what is finished is kept");
  EXPECT_EQ(WriteError(EIO, "x", 5).message(), "Input/output error while writing x (5 B written)");
}

TEST(OpenStoreTest, TakesFoldersAndFileUris) {
  const testing::TempFolder folder;
  const auto store = OpenStore("file://" + (folder / "my%20results/")).ValueOrDie();
  EXPECT_EQ(store->uri(), folder / "my results");
  ASSERT_TRUE(store->Put("x", "1").ok());
  EXPECT_TRUE(fs::exists(folder / "my results/x"));
}

TEST(OpenStoreTest, RefusesWhatItCannotWriteTo) {
  const testing::TempFolder folder;
  const auto expect = [](const std::string& uri, const std::string& message) {
    const Status status = OpenStore(uri).status();
    EXPECT_TRUE(IsUsageError(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(message));
  };
  expect("s3:///results", "names no bucket");
  expect("hdfs://host/x", "hdfs://");
  expect("", "no path");
  expect(folder.Write("file", ""), "is a file");
}

TEST(OpenStoreTest, AStoreThatIsNotUtf8IsShownEscaped) {
  const testing::TempFolder folder;
  const auto store = OpenStore(folder / "caf\xE9").ValueOrDie();
  EXPECT_EQ(store->uri(), folder / "caf\\xE9");
  ASSERT_TRUE(store->Put("x", "1").ok());
  EXPECT_TRUE(fs::exists(folder / "caf\xE9/x"));
}

}  // namespace
}  // namespace pomona::io
