// The scree plot: bars for each component on the left axis, their cumulative sum on the right one.

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "pomona/base/text.h"
#include "pomona/view/axis.h"
#include "pomona/view/frame.h"
#include "pomona/view/plots.h"
#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

constexpr Box kPlot{92, 136, 872, 534};
constexpr size_t kMostBars = 50;  // more are too thin to read
constexpr size_t kFewBars = 20;   // up to here every bar is numbered
constexpr double kWidestBar = 56;
constexpr int kIntervals = 5;  // of both vertical axes, so that they share one grid
constexpr std::string_view kKeptColour = "#0072b2";
constexpr std::string_view kLeftOutColour = "#b9d3e6";
constexpr std::string_view kSumColour = "#d55e00";
constexpr std::string_view kSumText = "#b34700";
constexpr std::array<int, 3> kThresholds = {90, 95, 99};  // percent

// The spectrum up to its last component with any variance, and its running sum.
struct Spectrum {
  std::vector<double> ratio;
  std::vector<double> sum;
  size_t all = 0;  // components, with those that do not vary
  size_t kept = 0;
  size_t bars = 0;  // components drawn

  bool empty() const { return ratio.empty(); }
  double kept_sum() const { return kept == 0 ? 0 : sum[kept - 1]; }
  // The smallest number of components that explain `percent`, forgiving rounding of the sum.
  size_t Reaching(int percent) const {
    const auto it = std::lower_bound(sum.begin(), sum.end(), percent / 100.0 - 1e-9);
    return std::min(static_cast<size_t>(it - sum.begin()), sum.size() - 1) + 1;
  }
};

Spectrum MakeSpectrum(const Scree& scree) {
  Spectrum spectrum;
  spectrum.all = scree.ratio.size();
  double sum = 0;
  for (double ratio : scree.ratio) {
    if (!(ratio > 0)) break;
    spectrum.ratio.push_back(std::min(ratio, 1.0));
    sum += spectrum.ratio.back();
    spectrum.sum.push_back(std::min(sum, 1.0));
  }
  if (spectrum.empty()) return spectrum;
  spectrum.kept = std::min(static_cast<size_t>(std::max(scree.kept, 0)), spectrum.ratio.size());
  const size_t enough = std::max({spectrum.Reaching(kThresholds.back()), spectrum.kept, kFewBars});
  spectrum.bars =
      spectrum.ratio.size() <= kMostBars ? spectrum.ratio.size() : std::min(enough, kMostBars);
  return spectrum;
}

// 0.2344 -> "23.4 %"; what would round to 0 or 100 without being it says so.
std::string Percent(double ratio) {
  if (ratio > 0 && ratio < 0.0005) return "<0.1 %";
  if (ratio >= 0.9995 && ratio < 1 - 1e-9) return ">99.9 %";
  return ratio >= 1 - 1e-9 ? "100 %" : Number(100 * ratio) + " %";
}

std::string Count(size_t n) { return WithThousands(static_cast<int64_t>(n)); }

// Thresholds that are reached at the same component, as one mark.
struct Milestone {
  std::string text;  // "90 % at 17", "90, 95 and 99 % at 1"
  int percent;       // the lowest of them
  size_t component;  // from 1
};

std::vector<Milestone> Milestones(const Spectrum& spectrum) {
  std::vector<Milestone> out;
  for (size_t i = 0; i < kThresholds.size();) {
    const size_t at = spectrum.Reaching(kThresholds[i]);
    size_t end = i + 1;
    std::string text = std::to_string(kThresholds[i]);
    for (; end < kThresholds.size() && spectrum.Reaching(kThresholds[end]) == at; ++end) {
      const bool last =
          end + 1 == kThresholds.size() || spectrum.Reaching(kThresholds[end + 1]) != at;
      text += (last ? " and " : ", ") + std::to_string(kThresholds[end]);
    }
    out.push_back({text + " % at " + Count(at), kThresholds[i], at});
    i = end;
  }
  return out;
}

std::string Summary(const Spectrum& spectrum) {
  if (spectrum.empty()) return "The data do not vary: there is nothing to explain";
  return Count(spectrum.kept) + " of " + Count(spectrum.all) +
         (spectrum.all == 1 ? " component" : " components") + " kept, with " +
         Percent(spectrum.kept_sum()) + " of the variance";
}

std::string Description(const Spectrum& spectrum, const Facts& facts) {
  std::string text = Summary(spectrum) + ".";
  if (!spectrum.empty()) {
    text += " Bars: the first " + Count(spectrum.bars) + " components; the first explains " +
            Percent(spectrum.ratio[0]) + ". Line: their cumulative sum";
    for (const Milestone& m : Milestones(spectrum)) text += "; " + m.text;
    text += ".";
  }
  return text + " " + FactsLine(facts) + ".";
}

// A step whose fifth multiple holds `largest`, a ratio.
double BarStep(double largest) {
  return RoundStep(std::max(largest, 1e-6) / kIntervals, {1, 1.5, 2, 2.5, 3, 4, 5});
}

class Drawing {
 public:
  Drawing(const Spectrum& spectrum, Svg* svg)
      : spectrum_(spectrum),
        svg_(*svg),
        step_(spectrum.empty() ? 0.2 : BarStep(spectrum.ratio[0])),
        bar_axis_{0, kIntervals * step_, kPlot.bottom, kPlot.top},
        sum_axis_{0, 1, kPlot.bottom, kPlot.top},
        pitch_(kPlot.width() / static_cast<double>(std::max<size_t>(spectrum.bars, 1))) {}

  void Draw() {
    Axes();
    if (spectrum_.empty()) {
      svg_.Text((kPlot.left + kPlot.right) / 2, (kPlot.top + kPlot.bottom) / 2, "no variance",
                {.size = 18, .colour = kSoftInk, .anchor = "middle", .halo = true});
      return;
    }
    Key();
    Bars();
    Sum();
    Marks();
  }

 private:
  double X(size_t component) const {  // from 1
    return kPlot.left + (static_cast<double>(component) - 0.5) * pitch_;
  }

  void Axes() {
    svg_.OpenGroup(Attribute("id", "axes"));
    for (int i = 0; i <= kIntervals; ++i) {
      const double y = sum_axis_.Pixel(i / double{kIntervals});
      svg_.Line(kPlot.left, y, kPlot.right, y, i == 0 ? kZeroLine : kGrid, 1);
      svg_.Text(kPlot.left - 8, y + 4, TickLabel(100 * step_ * i, 100 * step_) + " %",
                {.size = 12, .colour = kKeptColour, .anchor = "end"});
      svg_.Text(kPlot.right + 8, y + 4, Number(100.0 * i / kIntervals) + " %",
                {.size = 12, .colour = kSumText});
    }
    const double middle = (kPlot.top + kPlot.bottom) / 2;
    svg_.Text(30, middle, "each component",
              {.size = 13, .colour = kKeptColour, .anchor = "middle", .rotation = -90});
    svg_.Text(kPageWidth - 26, middle, "cumulative",
              {.size = 13, .colour = kSumText, .anchor = "middle", .rotation = 90});
    svg_.Text((kPlot.left + kPlot.right) / 2, kPlot.bottom + 46, "principal component",
              {.size = 13, .anchor = "middle"});
    const size_t every = spectrum_.bars <= kFewBars ? 1 : 5;
    for (size_t i = 1; i <= spectrum_.bars; ++i) {
      if (i == 1 || i % every == 0) {
        svg_.Text(X(i), kPlot.bottom + 20, Count(i), {.size = 12, .anchor = "middle"});
      }
    }
    svg_.CloseGroup();
  }

  // Says what the colours mean, right-aligned above the plot.
  void Key() {
    struct Entry {
      std::string_view colour;
      std::string text;
    };
    std::vector<Entry> entries = {{kKeptColour, "kept"}};
    if (spectrum_.bars > spectrum_.kept) entries.push_back({kLeftOutColour, "left out"});
    double x = kPlot.left;
    for (const Entry& entry : entries) {
      svg_.Rect({x, 111, x + 12, 121}, Attribute("fill", entry.colour));
      svg_.Text(x + 18, 120.5, entry.text, {.size = 12});
      x += 42 + TextWidth(entry.text, 12);
    }
    svg_.Line(x, 116, x + 22, 116, kSumColour, 2);
    svg_.Circle(x + 11, 116, 3, Attribute("fill", kSumColour));
    svg_.Text(x + 28, 120.5, "cumulative (right axis)", {.size = 12});
    if (spectrum_.bars < spectrum_.ratio.size()) NotDrawn();
  }

  // Right-aligned above the plot: how much is drawn, and what is reached only beyond.
  void NotDrawn() {
    std::string drawn =
        "first " + Count(spectrum_.bars) + " of " + Count(spectrum_.ratio.size()) + " drawn";
    std::string beyond;
    for (const Milestone& m : Milestones(spectrum_)) {
      if (m.component > spectrum_.bars) beyond += (beyond.empty() ? "" : ", ") + m.text;
    }
    if (!beyond.empty()) {
      drawn += "; ";
      svg_.Text(kPlot.right, 120.5, beyond,
                {.size = 12, .colour = kSumText, .anchor = "end", .bold = true});
    }
    svg_.Text(kPlot.right - BoldWidth(beyond), 120.5, drawn,
              {.size = 12, .colour = kSoftInk, .anchor = "end"});
  }

  void Bars() {
    const double width = BarWidth();
    svg_.OpenGroup(Attribute("id", "bars"));
    for (size_t i = 1; i <= spectrum_.bars; ++i) {
      const double top = bar_axis_.Pixel(spectrum_.ratio[i - 1]);
      svg_.Rect({X(i) - width / 2, top, X(i) + width / 2, kPlot.bottom},
                Attribute("fill", i <= spectrum_.kept ? kKeptColour : kLeftOutColour),
                "component " + Count(i) + ": " + Percent(spectrum_.ratio[i - 1]) + ", cumulative " +
                    Percent(spectrum_.sum[i - 1]));
    }
    svg_.CloseGroup();
  }

  void Sum() {
    std::string line;
    for (size_t i = 1; i <= spectrum_.bars; ++i) {
      line +=
          (i == 1 ? "M" : "L") + Number(X(i)) + " " + Number(sum_axis_.Pixel(spectrum_.sum[i - 1]));
    }
    const auto stroke = [](std::string_view colour, double width) {
      return Attribute("fill", "none") + Attribute("stroke", colour) +
             Attribute("stroke-width", width) + Attribute("stroke-linejoin", "round");
    };
    svg_.OpenGroup(Attribute("id", "sum"));
    svg_.Path(line, stroke("#fff", 5));
    svg_.Path(line, stroke(kSumColour, 2));
    if (spectrum_.bars <= kFewBars) {
      for (size_t i = 1; i <= spectrum_.bars; ++i) {
        svg_.Circle(X(i), sum_axis_.Pixel(spectrum_.sum[i - 1]), 2.5,
                    Attribute("fill", kSumColour));
      }
    }
    svg_.CloseGroup();
  }

  void Marks() {
    svg_.OpenGroup(Attribute("id", "milestones"));
    for (const Milestone& m : Milestones(spectrum_)) {
      if (m.component <= spectrum_.bars) MarkOnLine(m);
    }
    svg_.CloseGroup();
  }

  // A ring on the line; its text below on the right, where a concave line leaves room, and beside
  // a bar that is as high.
  void MarkOnLine(const Milestone& m) {
    const double x = X(m.component), y = sum_axis_.Pixel(spectrum_.sum[m.component - 1]);
    svg_.Circle(
        x, y, 4.5,
        Attribute("fill", "#fff") + Attribute("stroke", kSumColour) + Attribute("stroke-width", 2));
    const bool high_bar = bar_axis_.Pixel(spectrum_.ratio[m.component - 1]) < y + 24;
    const double start = x + 6 + (high_bar ? BarWidth() / 2 : 0);
    const bool room = start + BoldWidth(m.text) < kPlot.right;
    svg_.Text(room ? start : kPlot.right - 2, y + 18, m.text,
              {.size = 12,
               .colour = kSumText,
               .anchor = room ? "start" : "end",
               .bold = true,
               .halo = true});
  }

  double BarWidth() const { return std::min(0.72 * pitch_, kWidestBar); }
  static double BoldWidth(const std::string& text) { return TextWidth(text, 12 * kBoldEm); }

  const Spectrum& spectrum_;
  Svg& svg_;
  double step_;  // of the left axis, a ratio
  Axis bar_axis_, sum_axis_;
  double pitch_;
};

}  // namespace

std::string ScreeSvg(const Scree& scree) {
  const std::string title = "Variance explained by the principal components";
  const Spectrum spectrum = MakeSpectrum(scree);
  Svg svg(kPageWidth, kPageHeight, title, Description(spectrum, scree.facts));
  Headings(&svg, title, Summary(spectrum), scree.facts);
  Drawing(spectrum, &svg).Draw();
  return std::move(svg).Finish();
}

}  // namespace pomona::view
