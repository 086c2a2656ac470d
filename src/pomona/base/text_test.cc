#include "pomona/base/text.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace pomona {
namespace {

using namespace std::string_literals;

// An independent reading of RFC 3629: decode by bit counting, then check the code point.
bool IsUtf8ByDecoding(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    const int n = lead < 0x80       ? 1
                  : lead >> 5 == 6  ? 2
                  : lead >> 4 == 14 ? 3
                  : lead >> 3 == 30 ? 4
                                    : 0;
    if (n == 0 || i + n > s.size()) return false;
    uint32_t point = n == 1 ? lead : lead & (0x7F >> n);
    for (int k = 1; k < n; ++k) {
      const auto next = static_cast<unsigned char>(s[i + k]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3F);
    }
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[n] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
      return false;
    i += n;
  }
  return true;
}

TEST(TextTest, CountsInWords) {
  EXPECT_EQ(Counted(0, "image"), "0 images");
  EXPECT_EQ(Counted(1, "image"), "1 image");
  EXPECT_EQ(Counted(20622, "image"), "20,622 images");
}

TEST(Utf8Test, AgreesWithDecodingOnEveryPairAndOnEdgesOfLongerSequences) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string s = {static_cast<char>(a), static_cast<char>(b)};
      ASSERT_EQ(IsUtf8(s), IsUtf8ByDecoding(s)) << a << " " << b;
      for (unsigned char c : {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF}) {
        const std::string three = s + static_cast<char>(c);
        ASSERT_EQ(IsUtf8(three), IsUtf8ByDecoding(three)) << a << " " << b << " " << int{c};
        const std::string four = three + '\x80';
        ASSERT_EQ(IsUtf8(four), IsUtf8ByDecoding(four)) << a << " " << b << " " << int{c};
      }
    }
  }
}

TEST(Utf8Test, KnowsTheForbiddenForms) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\0b"s));
  EXPECT_TRUE(IsUtf8("\xF4\x8F\xBF\xBF"));   // U+10FFFF
  EXPECT_FALSE(IsUtf8("\xF4\x90\x80\x80"));  // above it
  EXPECT_FALSE(IsUtf8("\xC0\xAF"));          // overlong '/'
  EXPECT_FALSE(IsUtf8("\xE0\x80\xAF"));
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));  // a surrogate
  EXPECT_FALSE(IsUtf8("\xE2\x82"));      // cut short
}

TEST(ToUtf8Test, LeavesUtf8AndEscapesOtherBytes) {
  const std::string text = "Käse e\xCC\x81 \xF0\x9F\x8D\x8B\n";
  EXPECT_EQ(ToUtf8(text), text);
  EXPECT_EQ(ToUtf8("caf\xE9.jpg"), "caf\\xE9.jpg");
  EXPECT_EQ(ToUtf8("\xE2\x82"), "\\xE2\\x82");
  EXPECT_EQ(ToUtf8("\xE2\x82\x41"), "\\xE2\\x82\x41");  // the byte after a cut sequence survives
  EXPECT_EQ(ToUtf8("\x80\xC3\xA9\xFF"), "\\x80\xC3\xA9\\xFF");
}

TEST(ToUtf8Test, AlwaysGivesUtf8) {
  uint32_t state = 1;  // xorshift32 (Marsaglia 2003)
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 24; ++i) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      bytes += static_cast<char>(state);
    }
    ASSERT_TRUE(IsUtf8ByDecoding(ToUtf8(bytes)));
  }
}

TEST(QuotedTest, ShowsWhatANameHolds) {
  EXPECT_EQ(Quoted("a/b.jpg"), "a/b.jpg");
  EXPECT_EQ(Quoted("Äpfel.jpg"), "Äpfel.jpg");
  EXPECT_EQ(Quoted(""), "''");
  EXPECT_EQ(Quoted("a b"), "'a b'");
  EXPECT_EQ(Quoted("a\nb\tc\rd\x1B[31m\x7F"), "'a\\nb\\tc\\x0Dd\\x1B[31m\\x7F'");
  EXPECT_EQ(Quoted("\xFF"), "'\\xFF'");
  EXPECT_EQ(Quoted("a\0b"s), "'a\\x00b'");
}

TEST(NumbersTest, HaveThousands) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(-1234567), "-1,234,567");
  EXPECT_EQ(WithThousands(-100), "-100");
  EXPECT_EQ(WithThousands(std::numeric_limits<int64_t>::max()), "9,223,372,036,854,775,807");
  EXPECT_EQ(WithThousands(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(NumbersTest, BytesChangeUnitWhereTheyRound) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(999'949), "999.9 kB");
  EXPECT_EQ(HumanBytes(999'950), "1.0 MB");
  EXPECT_EQ(HumanBytes(18'700'000), "18.7 MB");
  EXPECT_EQ(HumanBytes(5'000'000'000'000'000), "5000.0 TB");
}

TEST(NumbersTest, DurationsChangeUnitWhereTheyRound) {
  EXPECT_EQ(HumanDuration(0), "0.0 s");
  EXPECT_EQ(HumanDuration(4.2), "4.2 s");
  EXPECT_EQ(HumanDuration(9.94), "9.9 s");
  EXPECT_EQ(HumanDuration(9.96), "10 s");
  EXPECT_EQ(HumanDuration(59.4), "59 s");
  EXPECT_EQ(HumanDuration(59.6), "1 min 00 s");
  EXPECT_EQ(HumanDuration(200), "3 min 20 s");
  EXPECT_EQ(HumanDuration(3599.4), "59 min 59 s");
  EXPECT_EQ(HumanDuration(3599.6), "1 h 00 min");
  EXPECT_EQ(HumanDuration(7500), "2 h 05 min");
}

}  // namespace
}  // namespace pomona
