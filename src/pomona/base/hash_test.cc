#include "pomona/base/hash.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pomona/testing/temp_folder.h"

namespace pomona {
namespace {

std::vector<uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }

// Values of the Python package xxhash 4.1.0 (xxHash 0.8.4), xxh3_128_hexdigest.
TEST(HashTest, Xxh3IsThatOfXxhsum) {
  EXPECT_EQ(Xxh3Hex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(Xxh3Hex("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(Xxh3Hex(std::string(1'000'000, 'a')), Xxh3Hex(Bytes(std::string(1'000'000, 'a'))));
  EXPECT_EQ(Xxh3Hex(std::string(1'000'000, 'a')), "a545df8e384a9579b1fd6fae5285c4eb");
}

// FIPS 180-4 and the NIST examples.
TEST(HashTest, Sha256IsThatOfNist) {
  EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex(Bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(HashTest, FilesAreReadInBlocks) {
  const testing::TempFolder folder;
  const std::string million = folder.Write("million", std::string(1'000'000, 'a'));
  EXPECT_EQ(Sha256File(million).ValueOrDie(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Md5File(million).ValueOrDie(), "7707d6ae4e027c70eea2a935c2296f21");
  // Longer than a block, and not a multiple of it.
  const std::string text = std::string(3'000'001, 'b');
  EXPECT_EQ(Sha256File(folder.Write("b", text)).ValueOrDie(), Sha256Hex(Bytes(text)));
  EXPECT_EQ(Md5File(folder.Write("empty", "")).ValueOrDie(), "d41d8cd98f00b204e9800998ecf8427e");
}

TEST(HashTest, AnUnreadableFileIsAnErrorThatNamesIt) {
  const testing::TempFolder folder;
  const auto missing = Sha256File(folder / "missing");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("missing: No such file"), std::string::npos)
      << missing.status();
  const auto a_folder = Md5File(folder.path());
  ASSERT_FALSE(a_folder.ok());
  EXPECT_NE(a_folder.status().message().find("Is a directory"), std::string::npos)
      << a_folder.status();
}

}  // namespace
}  // namespace pomona
