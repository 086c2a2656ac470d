#include "pomona/view/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

constexpr std::string_view kMinus = "\u2212";

// Decimals that show multiples of `step` in full, which has two digits at most (1.5, 0.25).
int DecimalsOf(double step) {
  int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  const double scaled = step * std::pow(10, decimals);
  if (std::abs(scaled - std::round(scaled)) > 1e-6) ++decimals;
  return decimals;
}

// 2.5e7, 1e-5
std::string Scientific(double value) {
  const int exponent = static_cast<int>(std::floor(std::log10(value) + 1e-9));
  const std::string sign = exponent < 0 ? std::string(kMinus) : "";
  return Number(value / std::pow(10, exponent), 4) + "e" + sign +
         std::to_string(std::abs(exponent));
}

}  // namespace

double RoundStep(double least, std::initializer_list<double> factors) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (double factor : factors) {
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> Axis::Ticks(double step) const {
  std::vector<double> ticks;
  const double last = std::floor(high / step);
  for (double i = std::ceil(low / step); i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string TickLabel(double value, double step) {
  if (std::abs(value) < step / 2) return "0";
  const double size = std::abs(value);
  const std::string text =
      size >= 1e6 || step < 1e-4 ? Scientific(size) : Number(size, DecimalsOf(step));
  return value < 0 ? std::string(kMinus) + text : text;
}

}  // namespace pomona::view
