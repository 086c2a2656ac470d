#include "pomona/view/frame.h"

#include "pomona/base/text.h"

namespace pomona::view {
namespace {

// 224x224 -> 224×224
std::string WithTimesSign(const std::string& text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 'x' && i > 0 && digit(i - 1) && digit(i + 1)) {
      out += "\u00d7";
    } else {
      out += text[i];
    }
  }
  return out;
}

void Heading(Svg* svg, double y, std::string_view text, const TextStyle& style) {
  const double em = style.size * (style.bold ? kBoldEm : 1);
  svg->Text(kMargin, y, Shortened(text, em, kPageWidth - 2 * kMargin), style);
}

}  // namespace

std::string FactsLine(const Facts& facts) {
  std::string line = Counted(facts.n, "image");
  if (!facts.model.empty()) line += " \u00b7 " + facts.model;
  if (!facts.recipe.empty()) line += " \u00b7 " + WithTimesSign(facts.recipe);
  return line;
}

void Headings(Svg* svg, std::string_view title, std::string_view summary, const Facts& facts) {
  Heading(svg, 44, title, {.size = 21, .colour = kInk, .bold = true});
  Heading(svg, 68, summary, {.size = 14, .colour = kInk});
  Heading(svg, 88, FactsLine(facts), {.size = 12, .colour = kSoftInk});
}

}  // namespace pomona::view
