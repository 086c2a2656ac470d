// Writes SVG 1.1 by hand: a fixed font, coordinates on a grid of 0.1 px, the same bytes everywhere.
#pragma once

#include <string>
#include <string_view>

namespace pomona::view {

// `text` for a person and for XML: valid UTF-8 whose control characters, line and paragraph
// separators, bidirectional overrides and non-characters are written as \n, \t, \xHH or \uHHHH.
// Markup characters are left as they are.
std::string Shown(std::string_view text);
// Shown, with & < > " ' as entities: content of an element or of an attribute.
std::string XmlText(std::string_view text);

// Width in pixels of `text` in DejaVu Sans, estimated without a font library so that a layout does
// not depend on the machine: exact to 1 % for ASCII, a fair guess beyond.
double TextWidth(std::string_view text, double font_size);
// DejaVu Sans Bold is wider than the Book: an em that makes up for it.
inline constexpr double kBoldEm = 1.13;
// `text` as Shown, cut with an ellipsis so that it is at most `width` pixels wide.
std::string Shortened(std::string_view text, double font_size, double width);

// Rounded to `decimals`, without trailing zeros or "-0"; the locale does not matter.
std::string Number(double value, int decimals = 1);
// " name="value"" for an element.
std::string Attribute(std::string_view name, std::string_view value);
std::string Attribute(std::string_view name, double value);

struct TextStyle {
  double size = 12;
  std::string_view colour = "#3c4043";
  std::string_view anchor = "start";  // "start" "middle" "end"
  bool bold = false;
  bool halo = false;    // white outline, for text over data
  double rotation = 0;  // degrees clockwise around (x, y)
};

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;

  double width() const { return right - left; }
  double height() const { return bottom - top; }
  bool operator==(const Box&) const = default;
};

class Svg {
 public:
  // A white page; `title` and `description` are what a screen reader says.
  Svg(double width, double height, std::string_view title, std::string_view description);

  void Text(double x, double y, std::string_view text, const TextStyle& style);
  void Line(double x1, double y1, double x2, double y2, std::string_view colour, double width);
  // The others take further attributes made by Attribute(), and what shows under a pointer.
  void Rect(const Box& box, const std::string& attributes, std::string_view hover = "");
  void Circle(double x, double y, double radius, const std::string& attributes);
  void Path(const std::string& data, const std::string& attributes, std::string_view hover = "");
  void OpenGroup(const std::string& attributes);
  void CloseGroup();

  std::string Finish() &&;

 private:
  void Close(std::string_view element, std::string_view hover);

  std::string out_;
};

}  // namespace pomona::view
