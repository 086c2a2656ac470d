#include "pomona/io/csv_source.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kNoLimit = 1 << 30;

class CsvSourceTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Source>> Open(const std::string& text, const std::string& label = "") {
    return CsvSource::Open(folder_.Write("set/list.csv", text), {label});
  }
  // "path|label=bytes" of every entry.
  std::vector<std::string> Contents(const std::string& text, const std::string& label = "") {
    const auto source = Open(text, label).ValueOrDie();
    std::vector<std::string> out;
    for (const Entry& entry : source->List({}, {}).ValueOrDie().entries) {
      const auto bytes = source->Read(entry, kNoLimit);
      out.push_back(entry.path + "|" + entry.label.value_or("-") + "=");
      out.back() += bytes.ok() ? std::string(bytes.value().begin(), bytes.value().end())
                               : std::string(ReasonName(bytes.rejection().reason));
    }
    return out;
  }
  // The first error of opening and listing.
  Status Error(const std::string& text, const std::string& label = "") {
    const auto source = Open(text, label);
    return source.ok() ? (*source)->List({}, {}).status() : source.status();
  }

  testing::TempFolder folder_;
};

TEST_F(CsvSourceTest, ReadsFilesRelativeToItselfOrAbsolute) {
  folder_.Write("set/a.jpg", "A");
  folder_.Write("set/sub/b.jpg", "B");
  folder_.Write("c.jpg", "C");
  const std::string absolute = folder_.Write("far/d.jpg", "D");
  EXPECT_THAT(Contents("path,label\nsub/b.jpg,bee\na.jpg,ay\n../c.jpg,\n" + absolute + ",dee\n"),
              ElementsAre("../c.jpg|-=C", absolute + "|dee=D", "a.jpg|ay=A", "sub/b.jpg|bee=B"));
  const auto source = Open("path\na.jpg\n").ValueOrDie();
  EXPECT_EQ(source->uri(), folder_ / "set/list.csv");
  EXPECT_EQ(source->List({}, {}).ValueOrDie().ignored, 0);
}

TEST_F(CsvSourceTest, LabelsComeFromAColumnTheFolderOrNowhere) {
  folder_.Write("set/sub/b.jpg", "B");
  folder_.Write("set/a.jpg", "A");
  const std::string text = "variety,label,path\nV,L,sub/b.jpg\n,,a.jpg\n";
  EXPECT_THAT(Contents(text), ElementsAre("a.jpg|-=A", "sub/b.jpg|L=B"));
  EXPECT_THAT(Contents(text, "variety"), ElementsAre("a.jpg|-=A", "sub/b.jpg|V=B"));
  EXPECT_THAT(Contents(text, "folder"), ElementsAre("a.jpg|set=A", "sub/b.jpg|sub=B"));
  EXPECT_THAT(Contents(text, "none"), ElementsAre("a.jpg|-=A", "sub/b.jpg|-=B"));
  EXPECT_THAT(Contents(text, "path"), ElementsAre("a.jpg|a.jpg=A", "sub/b.jpg|sub/b.jpg=B"));
  EXPECT_THAT(Contents("path\na.jpg\n"), ElementsAre("a.jpg|-=A"));
  EXPECT_THAT(Contents("path\na.jpg\n", "none"), ElementsAre("a.jpg|-=A"));
}

TEST_F(CsvSourceTest, TellsHowLabelsAreMade) {
  folder_.Write("a.jpg", "A");
  const auto rule = [&](const std::string& header, const std::string& label) {
    const std::string csv = folder_.Write("rule.csv", header + "\na.jpg,x\n");
    return CsvSource::Open(csv, {label}).ValueOrDie()->label_rule();
  };
  EXPECT_EQ(rule("path,label", ""), "label");
  EXPECT_EQ(rule("path,kind", ""), "none");
  EXPECT_EQ(rule("path,kind", "kind"), "kind");
  EXPECT_EQ(rule("path,kind", "folder"), "folder");
}

TEST_F(CsvSourceTest, CellsMayHoldCommasQuotesNewlinesAndAnyBytes) {
  folder_.Write("set/a,b.jpg", "comma");
  folder_.Write("set/a\"b.jpg", "quote");
  folder_.Write("set/a\nb.jpg", "newline");
  folder_.Write("set/caf\xE9.jpg", "latin-1");
  folder_.Write("set/e\xCC\x81 \xF0\x9F\x8D\x8B.jpg", "utf-8");
  EXPECT_THAT(
      Contents("path,label\r\n\"a,b.jpg\",x\r\n\"a\"\"b.jpg\",\"l\nl\"\r\n\"a\nb.jpg\",x\r\n"
               "caf\xE9.jpg,pomm\xE9\r\ne\xCC\x81 \xF0\x9F\x8D\x8B.jpg,x"),
      ElementsAre("a\nb.jpg|x=newline", "a\"b.jpg|l\nl=quote", "a,b.jpg|x=comma",
                  "caf\\xE9.jpg|pomm\\xE9=latin-1", "e\xCC\x81 \xF0\x9F\x8D\x8B.jpg|x=utf-8"));
}

TEST_F(CsvSourceTest, CellsAreNeverTakenForNumbersOrNulls) {
  for (const char* name : {"007", "NULL", "NA", "1e5", "true"}) {
    folder_.Write("set/" + std::string(name), name);
  }
  EXPECT_THAT(
      Contents("path,label\n007,0010\nNULL,NaN\nNA,null\n1e5,1.50\ntrue,N/A\n"),
      ElementsAre("007|0010=007", "1e5|1.50=1e5", "NA|null=NA", "NULL|NaN=NULL", "true|N/A=true"));
}

TEST_F(CsvSourceTest, ExcelsByteOrderMarkIsNoPartOfTheHeader) {
  folder_.Write("set/a.jpg", "A");
  EXPECT_THAT(Contents("\xEF\xBB\xBFpath,label\r\na.jpg,x\r\n"), ElementsAre("a.jpg|x=A"));
}

TEST_F(CsvSourceTest, TheManifestSaysWhatIsAnImage) {
  folder_.Write("set/image.dat", "D");
  folder_.Write("set/.hidden.jpg", "H");
  folder_.Write("set/image", "N");
  EXPECT_THAT(Contents("path\nimage.dat\n.hidden.jpg\nimage\n"),
              ElementsAre(".hidden.jpg|-=H", "image|-=N", "image.dat|-=D"));
}

TEST_F(CsvSourceTest, WhatCannotBeReadIsAnEntryAllTheSame) {
  folder_.Write("set/a.jpg", "A");
  fs::create_symlink("nowhere", folder_ / "set/link.jpg");
  ASSERT_EQ(mkfifo((folder_ / "set/pipe.jpg").c_str(), 0644), 0);
  fs::create_directory(folder_ / "set/sub");
  EXPECT_THAT(Contents("path,label\na.jpg,x\ngone.jpg,x\nlink.jpg,x\npipe.jpg,x\nsub,x\n"
                       "a.jpg/b.jpg,x\n,x\n" +
                       std::string("a.jpg\0.jpg,x\n", 13)),
              ElementsAre("|x=missing", "a.jpg|x=A", std::string("a.jpg\0.jpg|x=missing", 20),
                          "a.jpg/b.jpg|x=missing", "gone.jpg|x=missing", "link.jpg|x=missing",
                          "pipe.jpg|x=not_a_file", "sub|x=not_a_file"));
}

TEST_F(CsvSourceTest, TheFirstOfTwoRowsWithOnePathCounts) {
  folder_.Write("set/a.jpg", "A");
  EXPECT_THAT(Contents("path,label\na.jpg,first\na.jpg,second\na.jpg,third\n"),
              ElementsAre("a.jpg|first=A", "a.jpg|second=duplicate", "a.jpg|third=duplicate"));
}

TEST_F(CsvSourceTest, ColumnsThatAreNotThereAreNamed) {
  const auto expect = [&](const std::string& text, const std::string& label, auto message) {
    const Status status = Open(text, label).status();
    EXPECT_TRUE(IsUsageError(status)) << status;
    EXPECT_THAT(status.message(), message);
  };
  expect("file,label\na,b\n", "", AllOf(HasSubstr("no column path"), HasSubstr("file, label")));
  expect("path;label\na;b\n", "", AllOf(HasSubstr("path;label"), HasSubstr("commas")));
  expect("Path\na\n", "", HasSubstr("columns are Path"));
  expect("path,label\na,b\n", "variety", HasSubstr("no column variety"));
  expect("path,path\na,b\n", "", HasSubstr("more than one column path"));
  expect("path,label,label\na,b,c\n", "", HasSubstr("more than one column label"));
  const std::string utf16("\xFF\xFEp\0a\0t\0h\0\n\0a\0\n\0", 16);
  expect(utf16, "", HasSubstr("no column path"));
}

TEST_F(CsvSourceTest, RowsOfAnotherLengthAreNamedByNumber) {
  const auto expect = [&](const std::string& text, auto message) {
    const Status status = Error(text);
    EXPECT_TRUE(status.IsInvalid()) << status;
    EXPECT_THAT(status.message(), message);
  };
  expect("path,label\na,b\nc\n", HasSubstr("row 3 of " + (folder_ / "set/list.csv") +
                                           " has 1 cell where the header has 2: c"));
  expect("path,label\na,b,c\n", HasSubstr("row 2"));
  expect("path,label\n\"a\nb\",c\n\n\nd,e,f\n", HasSubstr("row 3"));
  expect("path,label\na,b\n\"c,d\ne,f\n", HasSubstr("row 3"));  // a quote that never ends
}

TEST_F(CsvSourceTest, ABrokenRowFarDownHasTheRightNumberAndAShortExcerpt) {
  std::string text = "path,label\n";
  const std::string cell(100, 'x');
  for (int i = 0; i < 100'000; ++i) text += cell + ",y\n";  // more than one block
  const Status status = Error(text + std::string(1000, 'z') + "\n");
  EXPECT_THAT(status.message(), HasSubstr("row 100002 "));
  EXPECT_LT(status.message().size(), 500u);
}

TEST_F(CsvSourceTest, ListsManifestsLongerThanABlockInFull) {
  std::string text = "path,label\n";
  const std::string cell(100, 'x');
  for (int i = 0; i < 100'000; ++i) text += cell + std::to_string(100'000 + i) + ",y\n";
  const Listing listing = Open(text).ValueOrDie()->List({}, {}).ValueOrDie();
  EXPECT_THAT(listing.entries, SizeIs(100'000));
  EXPECT_EQ(listing.entries.back().path, cell + "199999");
}

TEST_F(CsvSourceTest, NoRowsIsNothingToRead) {
  for (const char* text : {"", "\n\n", "path,label\n", "path,label", "\xEF\xBB\xBF"}) {
    const Status status = Error(text);
    EXPECT_TRUE(IsNothingToRead(status)) << "'" << text << "': " << status;
    EXPECT_THAT(status.message(), HasSubstr("list.csv"));
  }
}

TEST_F(CsvSourceTest, AnUnreadableManifestIsAFailure) {
  const std::string path = folder_.Write("list.csv", "path\na\n");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_EQ(testing::AsNobody([&] { return CsvSource::Open(path, {}).status().ToString(); }),
            "IOError: cannot read " + path + ": Permission denied");
}

TEST_F(CsvSourceTest, ChangesAfterTheListingAreNoticed) {
  folder_.Write("set/a.jpg", "A");
  const auto source = Open("path\na.jpg\n").ValueOrDie();
  const Listing listing = source->List({}, {}).ValueOrDie();
  folder_.Write("set/a.jpg", "AA");
  EXPECT_EQ(source->Read(listing.entries[0], kNoLimit).rejection().reason, Reason::kChanged);
}

TEST_F(CsvSourceTest, StopsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  const auto source = Open("path\na.jpg\n").ValueOrDie();
  EXPECT_TRUE(source->List({}, stop.get_token()).status().IsCancelled());
}

}  // namespace
}  // namespace pomona::io
