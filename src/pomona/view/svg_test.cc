#include "pomona/view/svg.h"

#include <gtest/gtest.h>

#include "pomona/base/text.h"

namespace pomona::view {
namespace {

TEST(XmlText, EscapesMarkup) {
  EXPECT_EQ(XmlText("<b a='1'>\"&amp;\"</b>"),
            "&lt;b a=&apos;1&apos;&gt;&quot;&amp;amp;&quot;&lt;/b&gt;");
}

TEST(XmlText, SpellsOutWhatXmlForbids) {
  EXPECT_EQ(XmlText(std::string("a\0b\x01\x1b\x7f", 6)), "a\\x00b\\x01\\x1B\\x7F");
  EXPECT_EQ(XmlText("line\nbreak\ttab\rreturn"), "line\\nbreak\\ttab\\x0Dreturn");
  EXPECT_EQ(XmlText("\u0085"), "\\x85");
  EXPECT_EQ(XmlText("\uFFFE\uFFFF\uFDD0\U0001FFFF"), "\\uFFFE\\uFFFF\\uFDD0\\u1FFFF");
}

TEST(XmlText, SpellsOutBytesThatAreNotUtf8) {
  EXPECT_EQ(XmlText("caf\xe9"), "caf\\xE9");
  EXPECT_EQ(XmlText("\xed\xa0\x80"), "\\xED\\xA0\\x80");  // a surrogate
}

TEST(XmlText, KeepsOtherScriptsButNotTheirOverrides) {
  EXPECT_EQ(XmlText("שלום 🍎 苹果 é"), "שלום 🍎 苹果 é");
  EXPECT_EQ(XmlText("a\u202Eb\u2067c\u2028"), "a\\u202Eb\\u2067c\\u2028");
}

// Sums of the hmtx advance widths of DejaVuSans.ttf and DejaVuSans-Bold.ttf, by fontTools.
TEST(TextWidth, IsThatOfDejaVuSans) {
  EXPECT_NEAR(TextWidth("Variance explained by the principal components", 20), 484.746, 5);
  EXPECT_NEAR(TextWidth("90, 95 and 99 % at 1", 20), 210.303, 2.1);
  EXPECT_NEAR(TextWidth("~!@#$ WMQ il", 20), 150.859, 1.5);
  EXPECT_NEAR(TextWidth("Variance explained by the principal components", 20 * kBoldEm), 545.137,
              11);
}

TEST(TextWidth, CountsCharactersNotBytes) {
  EXPECT_EQ(TextWidth("", 10), 0);
  EXPECT_NEAR(TextWidth("éééé", 10), 4 * 6.2, 3);
  EXPECT_NEAR(TextWidth("苹果", 10), 20, 0.1);
  EXPECT_EQ(TextWidth("e\u0301", 10), TextWidth("e", 10));
}

TEST(Shortened, LeavesWhatFits) {
  EXPECT_EQ(Shortened("Apple Golden", 12, 200), "Apple Golden");
  const double exact = TextWidth("Apple Golden", 12);
  EXPECT_EQ(Shortened("Apple Golden", 12, exact + 1e-6), "Apple Golden");
  EXPECT_EQ(Shortened("", 12, 0), "");
}

TEST(Shortened, CutsBetweenCharacters) {
  const std::string text = "苹果 and 🍎🍏 and a very long label";
  for (double width = 12; width < TextWidth(text, 12); width += 3) {
    const std::string cut = Shortened(text, 12, width);
    EXPECT_TRUE(IsUtf8(cut)) << cut;
    EXPECT_TRUE(cut.ends_with("…")) << cut;
    EXPECT_FALSE(cut.ends_with(" …")) << cut;
    EXPECT_LE(TextWidth(cut, 12), width);
  }
}

TEST(Shortened, MeasuresWhatIsShown) {
  EXPECT_LE(TextWidth(Shortened(std::string(1000, '\x01'), 12, 100), 12), 100);
}

TEST(Number, IsShortAndNeverNegativeZero) {
  EXPECT_EQ(Number(12.34), "12.3");
  EXPECT_EQ(Number(12.04), "12");
  EXPECT_EQ(Number(-0.04), "0");
  EXPECT_EQ(Number(-0.06), "-0.1");
  EXPECT_EQ(Number(100, 0), "100");
  EXPECT_EQ(Number(0.125, 3), "0.125");
  EXPECT_EQ(Number(1e300).size(), 301u);
  EXPECT_EQ(Number(0.0 / 0.0), "0");
}

}  // namespace
}  // namespace pomona::view
