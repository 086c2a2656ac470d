// From data to pixels, with round numbers along the way.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace pomona::view {

// The smallest of `factors` (rising, from 1) times a power of ten that is at least `least`
// (positive and finite).
double RoundStep(double least, std::initializer_list<double> factors = {1, 2, 5});

// A linear scale: values low..high -> pixels from..to.
struct Axis {
  double low = 0, high = 1;
  double from = 0, to = 1;

  double Pixel(double value) const { return from + (value - low) / (high - low) * (to - from); }
  // Multiples of `step` within low..high.
  std::vector<double> Ticks(double step) const;
};

// A tick's number with as many decimals as `step` needs and a true minus sign; as 2.5e7 when the
// number or the step has too many digits to read.
std::string TickLabel(double value, double step);

}  // namespace pomona::view
