#include "pomona/view/svg.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "pomona/base/text.h"

namespace pomona::view {
namespace {

// Advance widths of U+0020 to U+007E in DejaVu Sans Book, in hundredths of an em (the hmtx table of
// DejaVuSans.ttf 2.37).
constexpr std::array<uint8_t, 95> kAsciiWidth = {
    32, 40, 46, 84, 64, 95, 78, 27, 39,  39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
    60, 79, 69, 63, 61, 73, 68, 99, 69,  61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
    63, 28, 28, 58, 28, 97, 63, 61, 63,  63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84};

constexpr std::string_view kEllipsis = "\u2026";

// Bytes of the sequence that starts with `lead`, in valid UTF-8.
size_t SequenceLength(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

// The code point of one whole sequence of valid UTF-8.
uint32_t CodePoint(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) return lead;
  uint32_t code = lead & (0x7Fu >> sequence.size());
  for (char c : sequence.substr(1)) code = code << 6 | (static_cast<uint8_t>(c) & 0x3Fu);
  return code;
}

// Calls visit(sequence, code point) for every character of valid UTF-8 while it returns true.
template <typename Visit>
void ForEachCharacter(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::string_view sequence = text.substr(0, SequenceLength(text[0]));
    if (!visit(sequence, CodePoint(sequence))) return;
    text.remove_prefix(sequence.size());
  }
}

bool In(uint32_t code, uint32_t first, uint32_t last) { return code >= first && code <= last; }

// Not allowed in XML 1.0, discouraged there, or able to break or reorder the text around it.
bool MustBeEscaped(uint32_t code) {
  return code < 0x20 || In(code, 0x7F, 0x9F) || In(code, 0x2028, 0x202E) ||
         In(code, 0x2066, 0x2069) || In(code, 0xFDD0, 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
}

std::string EscapeCode(uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  std::array<char, 16> out;
  std::snprintf(out.data(), out.size(), code < 0x100 ? "\\x%02X" : "\\u%04X", code);
  return out.data();
}

// In em.
double CharacterWidth(uint32_t code) {
  if (In(code, 0x20, 0x7E)) return kAsciiWidth[code - 0x20] / 100.0;
  if (In(code, 0x300, 0x36F) || In(code, 0x200B, 0x200F) || In(code, 0xFE00, 0xFE0F)) return 0;
  if (code == 0x2026 || In(code, 0x2E80, 0xFAFF) || In(code, 0xFE30, 0xFF60)) return 1;
  return code >= 0x1F000 ? 1.25 : 0.66;
}

}  // namespace

std::string Shown(std::string_view text) {
  std::string out;
  ForEachCharacter(ToUtf8(text), [&](std::string_view sequence, uint32_t code) {
    if (MustBeEscaped(code)) {
      out += EscapeCode(code);
    } else {
      out += sequence;
    }
    return true;
  });
  return out;
}

std::string XmlText(std::string_view text) {
  std::string out;
  for (char c : Shown(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

double TextWidth(std::string_view text, double font_size) {
  double em = 0;
  ForEachCharacter(Shown(text), [&](std::string_view, uint32_t code) {
    em += CharacterWidth(code);
    return true;
  });
  return em * font_size;
}

std::string Shortened(std::string_view text, double font_size, double width) {
  std::string shown = Shown(text);
  const double room = width - TextWidth(kEllipsis, font_size);
  double used = 0;
  size_t bytes = 0;  // that fit beside an ellipsis
  bool fits = true;
  ForEachCharacter(shown, [&](std::string_view sequence, uint32_t code) {
    used += CharacterWidth(code) * font_size;
    if (used <= room) bytes += sequence.size();
    fits = used <= width;
    return fits;
  });
  if (fits) return shown;
  shown.resize(bytes);
  while (shown.ends_with(' ')) shown.pop_back();
  return shown.append(kEllipsis);
}

std::string Number(double value, int decimals) {
  if (!std::isfinite(value)) return "0";
  std::array<char, 400> buffer;  // the longest double has 309 digits before the point
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::fixed, decimals)
                       .ptr;
  std::string out(buffer.data(), end);
  if (decimals > 0) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string Attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + XmlText(value) + "\"";
}

std::string Attribute(std::string_view name, double value) {
  return Attribute(name, Number(value, 2));
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description) {
  const Box page{0, 0, width, height};
  out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\"" + Attribute("width", width) +
         Attribute("height", height) +
         Attribute("viewBox", "0 0 " + Number(width) + " " + Number(height)) +
         " role=\"img\" font-family=\"DejaVu Sans, Arial, sans-serif\">\n<title>" + XmlText(title) +
         "</title>\n<desc>" + XmlText(description) + "</desc>\n";
  Rect(page, Attribute("fill", "#fff"));
}

void Svg::Text(double x, double y, std::string_view text, const TextStyle& style) {
  out_ += "<text" + Attribute("x", x) + Attribute("y", y) + Attribute("font-size", style.size) +
          Attribute("fill", style.colour);
  if (style.anchor != "start") out_ += Attribute("text-anchor", style.anchor);
  if (style.bold) out_ += Attribute("font-weight", "bold");
  if (style.halo) {
    out_ += Attribute("stroke", "#fff") + Attribute("stroke-width", style.size / 3.5) +
            Attribute("stroke-linejoin", "round") + Attribute("paint-order", "stroke");
  }
  if (style.rotation != 0) {
    out_ += Attribute("transform",
                      "rotate(" + Number(style.rotation) + " " + Number(x) + " " + Number(y) + ")");
  }
  out_ += ">" + XmlText(text) + "</text>\n";
}

void Svg::Line(double x1, double y1, double x2, double y2, std::string_view colour, double width) {
  Path("M" + Number(x1) + " " + Number(y1) + "L" + Number(x2) + " " + Number(y2),
       Attribute("stroke", colour) + Attribute("stroke-width", width));
}

void Svg::Rect(const Box& box, const std::string& attributes, std::string_view hover) {
  out_ += "<rect" + Attribute("x", box.left) + Attribute("y", box.top) +
          Attribute("width", box.width()) + Attribute("height", box.height()) + attributes;
  Close("rect", hover);
}

void Svg::Circle(double x, double y, double radius, const std::string& attributes) {
  out_ += "<circle" + Attribute("cx", x) + Attribute("cy", y) + Attribute("r", radius) +
          attributes + "/>\n";
}

void Svg::Path(const std::string& data, const std::string& attributes, std::string_view hover) {
  out_ += "<path d=\"";
  out_ += data;
  out_ += "\"" + attributes;
  Close("path", hover);
}

void Svg::OpenGroup(const std::string& attributes) { out_ += "<g" + attributes + ">\n"; }
void Svg::CloseGroup() { out_ += "</g>\n"; }

std::string Svg::Finish() && { return std::move(out_) + "</svg>\n"; }

void Svg::Close(std::string_view element, std::string_view hover) {
  if (hover.empty()) {
    out_ += "/>\n";
  } else {
    out_ += "><title>" + XmlText(hover) + "</title></" + std::string(element) + ">\n";
  }
}

}  // namespace pomona::view
