#include "pomona/base/text.h"

#include <array>
#include <cstdio>

namespace pomona {
namespace {

// Length of the valid UTF-8 sequence at the start of `s`, or 0 (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
size_t SequenceLength(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto in = [&](size_t i, int low, int high) {
    return i < s.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const int low = lead == 0xE0 ? 0xA0 : 0x80;
    const int high = lead == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const int low = lead == 0xF0 ? 0x90 : 0x80;
    const int high = lead == 0xF4 ? 0x8F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

std::string HexEscape(char c) {
  std::array<char, 5> out;
  std::snprintf(out.data(), out.size(), "\\x%02X", static_cast<unsigned char>(c));
  return out.data();
}

std::string Format(const char* format, double a, const char* unit) {
  std::array<char, 64> out;
  std::snprintf(out.data(), out.size(), format, a, unit);
  return out.data();
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t n = SequenceLength(bytes);
    if (n == 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

std::string ToUtf8(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t n = SequenceLength(bytes);
    if (n == 0) {
      out += HexEscape(bytes[0]);
    } else {
      out += bytes.substr(0, n);
    }
    bytes.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

std::string Quoted(std::string_view name) {
  const std::string text = ToUtf8(name);
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += HexEscape(c);
    } else {
      out += c;
    }
  }
  const bool plain = out == name && out.find(' ') == std::string::npos && !out.empty();
  return plain ? out : "'" + out + "'";
}

std::string WithThousands(int64_t n) {
  std::string digits = std::to_string(n);
  const int64_t first = n < 0 ? 1 : 0;  // after the sign
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > first; i -= 3) {
    digits.insert(static_cast<size_t>(i), ",");
  }
  return digits;
}

std::string Counted(int64_t n, const std::string& noun) {
  return WithThousands(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string HumanBytes(int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return Format(unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
}

std::string HumanDuration(double seconds) {
  std::array<char, 64> out;
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (seconds < 9.95) {
    std::snprintf(out.data(), out.size(), "%.1f s", seconds);
  } else if (whole < 60) {
    std::snprintf(out.data(), out.size(), "%d s", static_cast<int>(whole));
  } else if (whole < 3600) {
    std::snprintf(out.data(), out.size(), "%d min %02d s", static_cast<int>(whole / 60),
                  static_cast<int>(whole % 60));
  } else {
    std::snprintf(out.data(), out.size(), "%d h %02d min", static_cast<int>(whole / 3600),
                  static_cast<int>(whole / 60 % 60));
  }
  return out.data();
}

}  // namespace pomona
