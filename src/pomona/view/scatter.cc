// The map of all images: one point each, coloured by label.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pomona/base/text.h"
#include "pomona/view/axis.h"
#include "pomona/view/frame.h"
#include "pomona/view/labels.h"
#include "pomona/view/palette.h"
#include "pomona/view/plots.h"
#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

constexpr double kTop = 108, kBottom = 536, kLeft = 92;
constexpr size_t kMostClasses = 150;               // the smaller ones beyond share one grey class
constexpr size_t kMostInLegend = 48;               // more are only named on the map
constexpr size_t kMostByColour = kPalette.size();  // more are named on the map, too
constexpr size_t kOneColumn = 24;                  // entries of a legend
constexpr size_t kHaloPoints = 2'000;              // up to here points get a white rim
constexpr size_t kFewPoints = 300;                 // up to here names keep off the points
constexpr double kHuge = 1e100;  // beyond, differences of coordinates may overflow

// Images with the same label.
struct Class {
  std::string name;  // as shown
  Mark mark;
  bool named = true;  // has a label, so that it is worth naming on the map
  std::vector<size_t> members;
};

struct Point {
  double x, y;
};

// The points that can be drawn: finite, and not absurdly far away.
std::vector<size_t> Drawable(const Scatter& scatter) {
  std::vector<size_t> out;
  const auto fits = [](double v) { return std::abs(v) < kHuge; };  // false for NaN
  for (size_t i = 0; i < std::min(scatter.x.size(), scatter.y.size()); ++i) {
    if (fits(scatter.x[i]) && fits(scatter.y[i])) out.push_back(i);
  }
  return out;
}

Class Grey(std::string name) { return {std::move(name), {kNeutral, Shape::kCircle}, false, {}}; }

struct Classes {
  std::vector<Class> list;  // in the order of their labels; grey ones last
  size_t labels = 0;        // different ones
  size_t named = 0;         // that have a class of their own
};

using Groups = std::map<std::string_view, std::vector<size_t>>;  // label -> members

// The labels of the largest groups, at most `most`; of equal ones those that come first.
std::set<std::string_view> Largest(const Groups& groups, size_t most) {
  std::vector<Groups::const_iterator> order;
  for (auto it = groups.begin(); it != groups.end(); ++it) order.push_back(it);
  std::stable_sort(order.begin(), order.end(),
                   [](auto a, auto b) { return a->second.size() > b->second.size(); });
  order.resize(std::min(order.size(), most));
  std::set<std::string_view> labels;
  for (const auto& it : order) labels.insert(it->first);
  return labels;
}

// A mark depends on the labels alone, so that a class looks the same on every map of the same
// images.
Classes Classify(const Scatter& scatter) {
  Groups groups;
  Class unlabelled = Grey("no label");
  for (size_t i : Drawable(scatter)) {
    std::string_view label;
    if (i < scatter.labels.size()) label = scatter.labels[i];
    (label.empty() ? unlabelled.members : groups[label]).push_back(i);
  }
  if (groups.empty()) unlabelled.mark.colour = kAllNeutral;
  const std::set<std::string_view> own = Largest(groups, kMostClasses);
  Classes classes{{}, groups.size(), own.size()};
  const auto others = static_cast<int64_t>(groups.size() - own.size());
  Class rest = Grey(WithThousands(others) + (others == 1 ? " other label" : " other labels"));
  for (auto& [label, members] : groups) {
    if (own.contains(label)) {
      const Mark mark = MarkOf(static_cast<int>(classes.list.size()));
      classes.list.push_back({Shown(label), mark, true, std::move(members)});
    } else {
      rest.members.insert(rest.members.end(), members.begin(), members.end());
    }
  }
  for (Class* grey : {&rest, &unlabelled}) {
    if (!grey->members.empty()) classes.list.push_back(std::move(*grey));
  }
  return classes;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  double span() const { return high - low; }
  void Extend(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // The same centre, but `span` wide.
  Range Widened(double span) const {
    const double centre = low + (high - low) / 2;
    return {centre - span / 2, centre + span / 2};
  }
};

// With a margin, and with some width even when all values are the same.
Range WithMargin(Range range) {
  if (range.low > range.high) range = {0, 0};
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  if (range.span() <= 1e-9 * size) return range.Widened(size == 0 ? 2 : size);
  return range.Widened(1.08 * range.span());
}

// One unit is as long on one axis as on the other, because distances on the map mean something,
// unless that would leave more than 0.4 of the plot's width or height empty.
struct Frame {
  Box plot;
  Axis x, y;
  double x_step, y_step;  // between ticks
};

Frame MakeFrame(Range x, Range y, const Box& plot, bool y_has_unit) {
  static constexpr double kLeastUsed = 0.6;
  const double unit = std::max(x.span() / plot.width(), y.span() / plot.height());
  const bool equal = y_has_unit && x.span() > kLeastUsed * unit * plot.width() &&
                     y.span() > kLeastUsed * unit * plot.height();
  if (equal) {
    x = x.Widened(unit * plot.width());
    y = y.Widened(unit * plot.height());
  }
  static constexpr double kTickPixels = 64;  // at least, between two
  Frame frame{plot,
              {x.low, x.high, plot.left, plot.right},
              {y.low, y.high, plot.bottom, plot.top},
              RoundStep(x.span() / plot.width() * kTickPixels),
              RoundStep(y.span() / plot.height() * kTickPixels)};
  return frame;
}

// Where the legend is, if there is one.
struct Legend {
  size_t columns = 0;
  double column_width = 0;
  double font_size = 0, row_height = 0;
  double x = 0;  // left edge

  bool empty() const { return columns == 0; }
};

Legend MakeLegend(const std::vector<Class>& classes) {
  const bool any_label = !classes.empty() && classes.front().named;
  if (!any_label || classes.size() > kMostInLegend) return {};
  Legend legend;
  legend.columns = classes.size() > kOneColumn ? 2 : 1;
  legend.font_size = legend.columns == 1 ? 12 : 10.5;
  legend.row_height =
      std::min(19.0, (kBottom - kTop) / static_cast<double>(std::min(classes.size(), kOneColumn)));
  double widest = 0;
  for (const Class& c : classes) {
    widest = std::max(widest, TextWidth(c.name, legend.font_size));
  }
  legend.column_width = std::min(widest, legend.columns == 1 ? 170.0 : 128.0) + 26;
  legend.x = kPageWidth - 28 - static_cast<double>(legend.columns) * legend.column_width;
  return legend;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Drawing {
 public:
  Drawing(const Scatter& scatter, const std::vector<Class>& classes, Svg* svg)
      : scatter_(scatter), classes_(classes), svg_(*svg), legend_(MakeLegend(classes)) {
    Range x, y;
    for (const Class& c : classes) {
      for (size_t i : c.members) {
        x.Extend(scatter.x[i]);
        y.Extend(scatter.y[i]);
      }
      points_ += c.members.size();
    }
    const double right = legend_.empty() ? kPageWidth - kMargin : legend_.x - 24;
    frame_ = MakeFrame(WithMargin(x), WithMargin(y), {kLeft, kTop, right, kBottom},
                       !scatter.y_axis.empty());
    // Chosen by eye at 50, 1,000, 20,000 and 200,000 points.
    const double n = static_cast<double>(std::max<size_t>(points_, 1));
    radius_ = std::clamp(14 * std::pow(n, -0.22), 0.8, 5.5);
    opacity_ = std::clamp(1.15 - 0.13 * std::log10(n), 0.4, 0.9);
  }

  void Draw() {
    Axes();
    Points();
    if (classes_.size() > kMostByColour) Names();
    if (!legend_.empty()) DrawLegend();
  }

 private:
  Point At(size_t i) const {
    return {frame_.x.Pixel(scatter_.x[i]), frame_.y.Pixel(scatter_.y[i])};
  }

  void Axes() {
    const Box& plot = frame_.plot;
    svg_.OpenGroup(Attribute("id", "axes"));
    for (double tick : frame_.x.Ticks(frame_.x_step)) {
      const double x = frame_.x.Pixel(tick);
      svg_.Line(x, plot.top, x, plot.bottom, kGrid, 1);
      svg_.Text(x, plot.bottom + 20, TickLabel(tick, frame_.x_step),
                {.size = 12, .colour = kSoftInk, .anchor = "middle"});
    }
    svg_.Text((plot.left + plot.right) / 2, plot.bottom + 46, scatter_.x_axis,
              {.size = 13, .anchor = "middle"});
    if (!scatter_.y_axis.empty()) VerticalAxis();
    ZeroLines();
    svg_.CloseGroup();
  }

  void VerticalAxis() {
    const Box& plot = frame_.plot;
    for (double tick : frame_.y.Ticks(frame_.y_step)) {
      const double y = frame_.y.Pixel(tick);
      svg_.Line(plot.left, y, plot.right, y, kGrid, 1);
      svg_.Text(plot.left - 8, y + 4, TickLabel(tick, frame_.y_step),
                {.size = 12, .colour = kSoftInk, .anchor = "end"});
    }
    svg_.Text(34, (plot.top + plot.bottom) / 2, scatter_.y_axis,
              {.size = 13, .anchor = "middle", .rotation = -90});
  }

  void ZeroLines() {
    const Box& plot = frame_.plot;
    if (frame_.x.low < 0 && frame_.x.high > 0) {
      const double x = frame_.x.Pixel(0);
      svg_.Line(x, plot.top, x, plot.bottom, kZeroLine, 1);
    }
    if (!scatter_.y_axis.empty() && frame_.y.low < 0 && frame_.y.high > 0) {
      const double y = frame_.y.Pixel(0);
      svg_.Line(plot.left, y, plot.right, y, kZeroLine, 1);
    }
  }

  // Points lie in layers, each with a share of every class, so that no class covers another; grey
  // ones are below all. A layer has one path a class.
  void Points() {
    const size_t layers = std::clamp<size_t>(600 / std::max<size_t>(classes_.size(), 1), 1, 12);
    svg_.OpenGroup(Attribute("id", "points"));
    for (const bool named : {false, true}) {
      for (size_t layer = 0; layer < layers; ++layer) {
        for (const Class& c : classes_) {
          if (c.named == named) Layer(c, layer, layers);
        }
      }
    }
    svg_.CloseGroup();
  }

  void Layer(const Class& c, size_t layer, size_t layers) {
    std::string data;
    const std::string marker = MarkerPath(c.mark.shape, radius_);
    for (size_t i : c.members) {
      // Fibonacci hashing: spreads neighbours in the list, often of one class, over the layers.
      if (((static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u) >> 40) % layers != layer) continue;
      const Point p = At(i);
      data += "M";
      data += Number(p.x);
      data += " ";
      data += Number(p.y);
      data += marker;
    }
    if (data.empty()) return;
    if (points_ <= kHaloPoints) {
      svg_.Path(data, MarkerAttributes({"#fff", c.mark.shape}, radius_, 1, 0.8));
    }
    svg_.Path(data, MarkerAttributes(c.mark, radius_, opacity_, 0),
              Shortened(c.name, 1, 120) + " (" +
                  WithThousands(static_cast<int64_t>(c.members.size())) + ")");
  }

  // The name of each class at the median of its points, the largest classes first.
  void Names() {
    const double size = classes_.size() > 60 ? 9 : classes_.size() > 24 ? 10 : 11;
    std::vector<const Class*> named;
    for (const Class& c : classes_) {
      if (c.named) named.push_back(&c);
    }
    std::stable_sort(named.begin(), named.end(), [](const Class* a, const Class* b) {
      return a->members.size() > b->members.size();
    });
    std::vector<std::string> texts;
    std::vector<LabelWish> wishes;
    for (const Class* c : named) {
      const Point p = Centre(*c);
      texts.push_back(Shortened(c->name, size, 110));
      wishes.push_back({p.x, p.y, TextWidth(texts.back(), size) + 4, size * 1.15});
    }
    const auto boxes = PlaceLabels(wishes, Obstacles(), frame_.plot, 90);
    svg_.OpenGroup(Attribute("id", "names"));
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (boxes[i]) Leader(wishes[i], *boxes[i]);
    }
    const auto left_out = std::count(boxes.begin(), boxes.end(), std::nullopt);
    if (left_out > 0) {
      svg_.Text(frame_.plot.right, kBottom + 46,
                WithThousands(left_out) + (left_out == 1 ? " name does" : " names do") + " not fit",
                {.size = 11, .colour = kSoftInk, .anchor = "end"});
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (!boxes[i]) continue;
      const std::string colour = TextColour(named[i]->mark.colour);
      svg_.Text((boxes[i]->left + boxes[i]->right) / 2, boxes[i]->bottom - size * 0.3, texts[i],
                {.size = size, .colour = colour, .anchor = "middle", .halo = true});
    }
    svg_.CloseGroup();
  }

  // Few points must not be hidden by names; among many the names matter more.
  std::vector<Box> Obstacles() const {
    std::vector<Box> boxes;
    if (points_ > kFewPoints) return boxes;
    for (const Class& c : classes_) {
      for (size_t i : c.members) {
        const Point p = At(i);
        boxes.push_back({p.x - radius_, p.y - radius_, p.x + radius_, p.y + radius_});
      }
    }
    return boxes;
  }

  Point Centre(const Class& c) const {
    std::vector<double> x, y;
    for (size_t i : c.members) {
      x.push_back(At(i).x);
      y.push_back(At(i).y);
    }
    return {Median(std::move(x)), Median(std::move(y))};
  }

  // A thin line from a class to its name, where the name had to move away.
  void Leader(const LabelWish& wish, const Box& box) {
    const double x = std::clamp(wish.x, box.left, box.right);
    const double y = std::clamp(wish.y, box.top, box.bottom);
    if (std::hypot(x - wish.x, y - wish.y) > radius_ + 4)
      svg_.Line(wish.x, wish.y, x, y, kSoftInk, 0.7);
  }

  void DrawLegend() {
    const size_t rows = (classes_.size() + legend_.columns - 1) / legend_.columns;
    svg_.OpenGroup(Attribute("id", "legend"));
    for (size_t i = 0; i < classes_.size(); ++i) {
      const Class& c = classes_[i];
      const double x = legend_.x + static_cast<double>(i / rows) * legend_.column_width;
      const double y = kTop + (static_cast<double>(i % rows) + 0.5) * legend_.row_height;
      svg_.Path("M" + Number(x + 6) + " " + Number(y) + MarkerPath(c.mark.shape, 4.5),
                MarkerAttributes(c.mark, 4.5, 1, 0));
      svg_.Text(x + 18, y + legend_.font_size * 0.36,
                Shortened(c.name, legend_.font_size, legend_.column_width - 24),
                {.size = legend_.font_size});
    }
    svg_.CloseGroup();
  }

  const Scatter& scatter_;
  const std::vector<Class>& classes_;
  Svg& svg_;
  Legend legend_;
  Frame frame_;
  size_t points_ = 0;
  double radius_ = 0, opacity_ = 0;
};

std::string Summary(const Classes& classes) {
  const auto count = [](size_t n) { return WithThousands(static_cast<int64_t>(n)); };
  if (classes.labels == 0) return "One point an image";
  if (classes.labels == 1) return "One point an image, one label";
  if (classes.named == classes.labels) {
    return "One point an image, coloured by " + count(classes.labels) + " labels";
  }
  return "One point an image, coloured by the largest " + count(classes.named) + " of " +
         count(classes.labels) + " labels";
}

}  // namespace

std::string ScatterSvg(const Scatter& scatter) {
  const Classes classes = Classify(scatter);
  const std::string summary = Summary(classes);
  Svg svg(kPageWidth, kPageHeight, scatter.title,
          summary + ". Horizontal: " + scatter.x_axis + ". Vertical: " + scatter.y_axis + ". " +
              FactsLine(scatter.facts) + ".");
  Headings(&svg, scatter.title, summary, scatter.facts);
  Drawing(scatter, classes.list, &svg).Draw();
  return std::move(svg).Finish();
}

}  // namespace pomona::view
