// What every plot shares: the page, its headings and the look of axes.
#pragma once

#include <string>
#include <string_view>

#include "pomona/view/plots.h"
#include "pomona/view/svg.h"

namespace pomona::view {

inline constexpr double kPageWidth = 960, kPageHeight = 600;
inline constexpr double kMargin = 40;  // left and right of headings
inline constexpr std::string_view kInk = "#202124";
inline constexpr std::string_view kSoftInk = "#5f6368";
inline constexpr std::string_view kGrid = "#e8eaed";
inline constexpr std::string_view kZeroLine = "#bdc1c6";

// "20,622 images · efficientnet-lite0, f32 · 224×224 bilinear, denoise nlm:3", without what is
// empty.
std::string FactsLine(const Facts& facts);

// The title, a line with what the plot shows, and below it the facts.
void Headings(Svg* svg, std::string_view title, std::string_view summary, const Facts& facts);

}  // namespace pomona::view
