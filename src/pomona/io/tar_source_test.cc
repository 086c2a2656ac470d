#include "pomona/io/tar_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kNoLimit = 1 << 30;
constexpr int64_t kMtime = 1'600'000'000;

std::string Padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

// A ustar header block, written here by hand from POSIX.1-2017 "ustar Interchange Format".
std::string Header(const std::string& name, uint64_t size, char type = '0',
                   const std::string& link = "", int64_t mtime = kMtime) {
  std::string block(512, '\0');
  const auto put = [&](size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
  };
  const auto octal = [](uint64_t value, int digits) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%0*lo", digits, value);
    return std::string(text.data());
  };
  put(0, name);
  put(100, "0000644");
  put(124, octal(size, 11));
  put(136, octal(static_cast<uint64_t>(mtime), 11));
  put(148, "        ");
  block[156] = type;
  put(157, link);
  put(257, std::string("ustar\00000", 8));
  uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

std::string Member(const std::string& name, const std::string& data, int64_t mtime = kMtime) {
  return Header(name, data.size(), '0', "", mtime) + Padded(data);
}

// A pax extended header that gives the next member these records.
std::string Pax(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string body;
  for (const auto& [key, value] : records) {
    const size_t rest = key.size() + value.size() + 3;
    size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) ++length;
    body.append(std::to_string(length)).append(" ").append(key).append("=");
    body.append(value).append("\n");
  }
  return Header("PaxHeader", body.size(), 'x') + Padded(body);
}

// GNU tar's long name for the next member.
std::string GnuName(const std::string& name) {
  return Header("././@LongLink", name.size() + 1, 'L') + Padded(name + '\0');
}

std::string End() { return std::string(1024, '\0'); }

Result<std::unique_ptr<Source>> OpenTar(const std::string& path, const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto file, RangeFile::Open(path));
  return TarSource::Open(std::move(file), options);
}

class TarSourceTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes, const std::string& name = "fruits.tar") {
    return folder_.Write(name, bytes);
  }
  std::unique_ptr<Source> Open(const std::string& bytes, const std::string& label = "") {
    return OpenTar(Write(bytes), {label}).ValueOrDie();
  }
  Listing List(const Source& source) {
    warnings_.clear();
    return source.List(observer_, {}).ValueOrDie();
  }

  testing::TempFolder folder_;
  std::vector<std::string> warnings_;
  Observer observer_{.progress = {},
                     .warning = [this](const std::string& w) { warnings_.push_back(w); }};
};

std::string Text(const Outcome<std::vector<uint8_t>>& bytes) {
  if (!bytes.ok()) return "rejected: " + std::string(ReasonName(bytes.rejection().reason));
  return {bytes.value().begin(), bytes.value().end()};
}

std::vector<std::string> Paths(const Listing& listing) {
  std::vector<std::string> paths;
  for (const Entry& entry : listing.entries) paths.push_back(entry.path);
  return paths;
}

// "path=bytes" of every entry.
std::vector<std::string> Contents(const Source& source, const Listing& listing) {
  std::vector<std::string> out;
  for (const Entry& entry : listing.entries) {
    out.push_back(entry.path + "=" + Text(source.Read(entry, kNoLimit)));
  }
  return out;
}

TEST_F(TarSourceTest, ListsSortedAndReadsTheBytesOfEachMember) {
  const std::string big(70'000, 'b');  // more than what is read at once
  const auto source = Open(Header("fruits/", 0, '5') + Member("fruits/z.jpg", "zzz") +
                           Member("fruits/big.png", big) + Member("fruits/notes.txt", "text") +
                           Member("fruits/empty.jpg", "") + Member("fruits/a.jpg", "aaaa") + End());
  const Listing listing = List(*source);
  EXPECT_THAT(Contents(*source, listing), ElementsAre("fruits/a.jpg=aaaa", "fruits/big.png=" + big,
                                                      "fruits/empty.jpg=", "fruits/z.jpg=zzz"));
  EXPECT_EQ(listing.ignored, 1);
  EXPECT_EQ(listing.entries[0].version, "1600000000000000000");
  EXPECT_EQ(listing.entries[1].size, 70'000);
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_EQ(source->uri(), folder_ / "fruits.tar");
}

TEST_F(TarSourceTest, ReadsPaxAndGnuLongNames) {
  const std::string folder(120, 'f');
  const std::string pax = folder + "/" + std::string(200, 'p') + ".jpg";
  const std::string gnu = folder + "/" + std::string(300, 'g') + ".jpg";
  const auto source = Open(Pax({{"path", pax}, {"mtime", "1600000000.123456789"}, {"size", "3"}}) +
                           Header("short", 3) + Padded("pax") + GnuName(gnu) + Header("short", 3) +
                           Padded("gnu") + Member("after.jpg", "after") + End());
  const Listing listing = List(*source);
  EXPECT_THAT(Contents(*source, listing),
              ElementsAre("after.jpg=after", gnu + "=gnu", pax + "=pax"));
  EXPECT_EQ(listing.entries[2].version, "1600000000123456789");
  EXPECT_EQ(listing.entries[2].label, folder);
}

// The same images through libarchive's own writers, whose headers take other numbers of blocks.
TEST_F(TarSourceTest, ReadsWhatLibarchiveWrites) {
  for (const auto set_format : {&archive_write_set_format_ustar, &archive_write_set_format_gnutar,
                                &archive_write_set_format_pax, &archive_write_set_format_v7tar}) {
    const std::string path = folder_ / "written.tar";
    archive* out = archive_write_new();
    set_format(out);
    archive_write_open_filename(out, path.c_str());
    for (int i = 0; i < 300; ++i) {
      const std::string data(static_cast<size_t>(i * 37), static_cast<char>('a' + i % 26));
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, ("class/" + std::to_string(1000 + i) + ".jpg").c_str());
      archive_entry_set_size(entry, static_cast<int64_t>(data.size()));
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_mtime(entry, kMtime, 5);
      ASSERT_EQ(archive_write_header(out, entry), ARCHIVE_OK);
      archive_write_data(out, data.data(), data.size());
      archive_entry_free(entry);
    }
    archive_write_free(out);
    const auto source = OpenTar(path, {}).ValueOrDie();
    const Listing listing = List(*source);
    ASSERT_THAT(listing.entries, SizeIs(300));
    for (int i = 299; i >= 0; --i) {
      ASSERT_EQ(Text(source->Read(listing.entries[static_cast<size_t>(i)], kNoLimit)),
                std::string(static_cast<size_t>(i * 37), static_cast<char>('a' + i % 26)));
    }
  }
}

TEST_F(TarSourceTest, NamesComeOutAsTheBytesInTheTarInAnyLocale) {
  const std::string nfc = "\xC3\xA9.jpg";
  const std::string nfd = "e\xCC\x81.jpg";
  const std::string lemon = "\xF0\x9F\x8D\x8B a\nb.jpg";
  const std::string tar = Pax({{"path", nfc}}) + Member("x", "nfc") + Pax({{"path", nfd}}) +
                          Member("x", "nfd") + Pax({{"path", lemon}}) + Member("x", "lemon") +
                          Member("u" + nfd, "ustar") + Member("caf\xE9.jpg", "latin-1") + End();
  for (const char* locale : {"C", "C.UTF-8"}) {
    ASSERT_NE(std::setlocale(LC_ALL, locale), nullptr);
    const auto source = Open(tar);
    EXPECT_THAT(Contents(*source, List(*source)),
                ElementsAre("caf\\xE9.jpg=latin-1", nfd + "=nfd", "u" + nfd + "=ustar",
                            nfc + "=nfc", lemon + "=lemon"))
        << locale;
    EXPECT_STREQ(std::setlocale(LC_ALL, nullptr), locale);
  }
  std::setlocale(LC_ALL, "C");
}

TEST_F(TarSourceTest, LabelsAreParentFoldersOrTheTarsStem) {
  const std::string tar = Member("./top.jpg", "1") + Member("./a/b/c.jpg", "2") +
                          Member("/d.jpg", "3") + Member("../up.jpg", "4") + End();
  const auto source = Open(tar);
  const Listing listing = List(*source);
  EXPECT_THAT(Contents(*source, listing),
              ElementsAre("../up.jpg=4", "/d.jpg=3", "a/b/c.jpg=2", "top.jpg=1"));
  EXPECT_EQ(listing.entries[0].label, "..");
  EXPECT_EQ(listing.entries[1].label, "fruits");
  EXPECT_EQ(listing.entries[2].label, "b");
  EXPECT_EQ(listing.entries[3].label, "fruits");
  for (const Entry& entry : List(*Open(tar, "none")).entries) EXPECT_EQ(entry.label, std::nullopt);
  EXPECT_TRUE(IsUsageError(OpenTar(Write(tar), {"variety"}).status()));
}

TEST_F(TarSourceTest, TheLastOfMembersWithOneNameCounts) {
  const auto source = Open(Member("a.jpg", "first") + Member("./a.jpg", "second") +
                           Member("b.jpg", "b") + Member("a.jpg", "third") + End());
  const Listing listing = List(*source);
  EXPECT_THAT(Contents(*source, listing),
              ElementsAre("a.jpg=rejected: duplicate", "a.jpg=rejected: duplicate", "a.jpg=third",
                          "b.jpg=b"));
}

TEST_F(TarSourceTest, HardLinksAreTheMemberTheyPointTo) {
  const auto source =
      Open(Member("./a.jpg", "data") + Header("./b.jpg", 0, '1', "./a.jpg") +
           Header("c.jpg", 0, '1', "b.jpg") + Header("early.jpg", 0, '1', "late.jpg") +
           Member("late.jpg", "late") + Member("a.jpg", "newer", kMtime + 1) + End());
  const Listing listing = List(*source);
  EXPECT_THAT(Contents(*source, listing),
              ElementsAre("a.jpg=rejected: duplicate", "a.jpg=newer", "b.jpg=data", "c.jpg=data",
                          "early.jpg=rejected: missing", "late.jpg=late"));
  EXPECT_EQ(listing.entries[2].version, "1600000000000000000");
}

TEST_F(TarSourceTest, WhatIsNoFileIsRejected) {
  const auto source = Open(Header("link.jpg", 0, '2', "a.jpg") + Header("pipe.jpg", 0, '6') +
                           Header("device.jpg", 0, '3') + Header("folder.jpg/", 0, '5') +
                           Member("z.jpg", "z") + End());
  EXPECT_THAT(
      Contents(*source, List(*source)),
      ElementsAre("device.jpg=rejected: not_a_file", "link.jpg=rejected: unsupported_format",
                  "pipe.jpg=rejected: not_a_file", "z.jpg=z"));
}

TEST_F(TarSourceTest, SparseMembersAreRejected) {
  // GNU.sparse 0.1: the map is in the records, the holes are left out of the data.
  const auto source = Open(Pax({{"GNU.sparse.size", "1024"},
                                {"GNU.sparse.numblocks", "1"},
                                {"GNU.sparse.map", "512,512"},
                                {"GNU.sparse.name", "holes.jpg"}}) +
                           Member("x.jpg", std::string(512, 'd')) + Member("z.jpg", "z") + End());
  EXPECT_THAT(Contents(*source, List(*source)),
              ElementsAre("holes.jpg=rejected: unsupported_format", "z.jpg=z"));
}

TEST_F(TarSourceTest, HiddenMembersAreIgnored) {
  const auto source = Open(Member("a/._x.jpg", "mac") + Member("a/x.jpg", "x") +
                           Member(".thumbs/x.jpg", "t") + Member("./.y.jpg", "y") + End());
  const Listing listing = List(*source);
  EXPECT_THAT(Paths(listing), ElementsAre("a/x.jpg"));
  EXPECT_EQ(listing.ignored, 3);
}

TEST_F(TarSourceTest, MembersWithoutATimeHaveTheTarsOwn) {
  const std::string path = Write(Member("a.jpg", "a", 0) + Member("b.jpg", "b") + End());
  const timespec times[2] = {{1, 0}, {1'700'000'000, 42}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const Listing listing = List(*OpenTar(path, {}).ValueOrDie());
  EXPECT_EQ(listing.entries[0].version, "1700000000000000042");
  EXPECT_EQ(listing.entries[1].version, "1600000000000000000");
}

TEST_F(TarSourceTest, ATarCutAnywhereListsWhatIsThereAndWarns) {
  const std::string a(700, 'a');
  const std::string b(1500, 'b');
  const std::string tar = Member("a.jpg", a) + Pax({{"path", "b.jpg"}}) + Member("x", b);
  const size_t b_header = 512 + 1024 + 1024;
  const size_t b_data = b_header + 512;
  for (size_t cut = 513; cut <= tar.size(); cut += 37) {
    const auto source = Open(tar.substr(0, cut));
    const Listing listing = List(*source);
    EXPECT_THAT(warnings_, SizeIs(1)) << cut;
    const std::string first = cut < 512 + a.size() ? "a.jpg=rejected: truncated" : "a.jpg=" + a;
    if (cut < b_data) {
      EXPECT_THAT(Contents(*source, listing), ElementsAre(first)) << cut;
    } else {
      const std::string second =
          cut < b_data + b.size() ? "b.jpg=rejected: truncated" : "b.jpg=" + b;
      EXPECT_THAT(Contents(*source, listing), ElementsAre(first, second)) << cut;
    }
  }
}

TEST_F(TarSourceTest, ATarWithoutItsEndMarkerIsWarnedAbout) {
  const std::string tar = Member("a.jpg", "a") + Member("b.jpg", "b");
  EXPECT_THAT(List(*Open(tar)).entries, SizeIs(2));
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], HasSubstr("end marker is missing"));
  List(*Open(tar + End()));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(TarSourceTest, ADamagedHeaderCostsOneMemberAndAWarning) {
  std::string bad = Member("b.jpg", "b");
  bad[0] = 'X';  // the checksum does not fit any more
  const auto source = Open(Member("a.jpg", "a") + bad + Member("c.jpg", "c") + End());
  EXPECT_THAT(Contents(*source, List(*source)), ElementsAre("a.jpg=a", "c.jpg=c"));
  ASSERT_THAT(warnings_, SizeIs(1));
  EXPECT_THAT(warnings_[0], HasSubstr("damaged after 1,024 bytes"));
}

TEST_F(TarSourceTest, TarsOneAfterTheOtherAreOne) {
  const std::string gap(size_t{9} * 512, '\0');  // tar pads to 10,240 bytes
  const auto source = Open(Member("a.jpg", "a") + End() + gap + Member("b.jpg", "b") + End());
  EXPECT_THAT(Contents(*source, List(*source)), ElementsAre("a.jpg=a", "b.jpg=b"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(TarSourceTest, WhatFollowsTheEndIsWarnedAboutIfItIsNoTar) {
  const auto source = Open(Member("a.jpg", "a") + End() + std::string(700, 'g'));
  EXPECT_THAT(Contents(*source, List(*source)), ElementsAre("a.jpg=a"));
  EXPECT_THAT(warnings_, SizeIs(1));
}

TEST_F(TarSourceTest, AnAbsurdSizeIsTruncated) {
  // 8 GiB - 1 in octal; 2^62 in GNU's base 256.
  std::string huge = Header("b.jpg", 0);
  huge.replace(124, 12, std::string("\x80\0\0\0\x40\0\0\0\0\0\0\0", 12));
  huge.replace(148, 8, "        ");
  uint64_t sum = 0;
  for (const char c : huge) sum += static_cast<unsigned char>(c);
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%06lo", sum);
  huge.replace(148, 7, std::string(text.data(), 7));
  for (const std::string& header : {Header("b.jpg", 077777777777), huge}) {
    const auto source = Open(Member("a.jpg", "a") + header + std::string(512, 'x'));
    EXPECT_THAT(Contents(*source, List(*source)),
                ElementsAre("a.jpg=a", "b.jpg=rejected: truncated"));
    EXPECT_THAT(warnings_, SizeIs(1));
  }
}

TEST_F(TarSourceTest, CompressedTarsAreAUsageError) {
  const std::string path = folder_ / "packed.tar";
  for (const auto& [add, name] : {std::pair(&archive_write_add_filter_gzip, "gzip"),
                                  std::pair(&archive_write_add_filter_bzip2, "bzip2"),
                                  std::pair(&archive_write_add_filter_xz, "xz"),
                                  std::pair(&archive_write_add_filter_zstd, "zstd")}) {
    archive* out = archive_write_new();
    archive_write_set_format_ustar(out);
    add(out);
    archive_write_open_filename(out, path.c_str());
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, "a.jpg");
    archive_entry_set_size(entry, 1);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(out, entry);
    archive_write_data(out, "a", 1);
    archive_entry_free(entry);
    archive_write_free(out);
    const Status status = OpenTar(path, {}).status();
    EXPECT_TRUE(IsUsageError(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(std::string("compressed with ") + name));
  }
}

TEST_F(TarSourceTest, WhatIsNoTarOrHoldsNothingSaysSo) {
  EXPECT_TRUE(IsUsageError(OpenTar(Write("just text"), {}).status()));
  EXPECT_TRUE(IsUsageError(OpenTar(Write(std::string(5000, 'x')), {}).status()));
  // 40 bytes with which libarchive does not get as far as telling a compression.
  EXPECT_TRUE(IsUsageError(OpenTar(Write(std::string(2, '\0') + "\x80" + std::string(2, '\0') +
                                         std::string(16, '\xd1') + std::string(19, '\0')),
                                   {})
                               .status()));
  EXPECT_TRUE(IsNothingToRead(OpenTar(Write(""), {}).status()));
  EXPECT_TRUE(IsNothingToRead(Open(std::string(10'240, '\0'))->List({}, {}).status()));
  const Status status = Open(Member("a.txt", "a") + End())->List({}, {}).status();
  EXPECT_TRUE(IsNothingToRead(status));
  EXPECT_THAT(status.message(), HasSubstr("1 file seen (1 .txt)"));
}

TEST_F(TarSourceTest, ATarReplacedAfterTheListingIsNoticed) {
  const std::string tar = Member("a.jpg", "old") + End();
  const auto source = Open(tar);
  const Listing listing = List(*source);
  EXPECT_EQ(Text(source->Read(listing.entries[0], kNoLimit)), "old");
  EXPECT_EQ(Text(source->Read(listing.entries[0], 2)), "rejected: too_large");
  Write(tar + End());
  EXPECT_EQ(Text(source->Read(listing.entries[0], kNoLimit)), "rejected: changed");
  EXPECT_EQ(Text(Open(tar + End())->Read(listing.entries[0], kNoLimit)), "rejected: changed");
}

// As a cluster does: listed by one process, read by another.
TEST_F(TarSourceTest, EntriesAreReadByAnotherSourceOfTheSameTar) {
  const std::string path = Write(Member("a.jpg", "aaa") + End());
  const Listing listing = List(*OpenTar(path, {}).ValueOrDie());
  const auto other = OpenTar(path, {}).ValueOrDie();
  EXPECT_EQ(Text(other->Read(listing.entries[0], kNoLimit)), "aaa");
  Entry forged = listing.entries[0];
  forged.locator = "nonsense";
  EXPECT_EQ(Text(other->Read(forged, kNoLimit)), "rejected: changed");
}

TEST_F(TarSourceTest, ThreadsReadAtTheSameTime) {
  std::string tar;
  for (int i = 0; i < 64; ++i) {
    tar += Member(std::to_string(100 + i) + ".jpg", std::string(3000, static_cast<char>('0' + i)));
  }
  const auto source = Open(tar + End());
  const Listing listing = List(*source);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 64; ++i) {
        const Entry& entry = listing.entries[static_cast<size_t>(i)];
        const std::string want(3000, static_cast<char>('0' + i));
        if (Text(source->Read(entry, kNoLimit)) != want) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace pomona::io
