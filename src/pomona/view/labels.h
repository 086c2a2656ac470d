// Where to put names on a map so that none covers another.
#pragma once

#include <optional>
#include <vector>

#include "pomona/view/svg.h"

namespace pomona::view {

// A name wanted at a point, most important first.
struct LabelWish {
  double x = 0, y = 0;
  double width = 0, height = 0;
};

// For each wish its box: centred on the point if that is free, otherwise the nearest free place
// on rings around it, within `reach` pixels and `bounds`; nothing if there is none. Boxes overlap
// neither each other nor `obstacles`. Greedy, in the order given.
std::vector<std::optional<Box>> PlaceLabels(const std::vector<LabelWish>& wishes,
                                            const std::vector<Box>& obstacles, const Box& bounds,
                                            double reach);

}  // namespace pomona::view
