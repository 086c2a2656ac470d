// Pictures of results, as SVG and PNG from one drawing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/store.h"

namespace pomona::view {

// The facts under every title.
struct Facts {
  int64_t n = 0;       // images
  std::string model;   // "efficientnet-lite0, f32"
  std::string recipe;  // "224x224 bilinear, denoise nlm:3"
};

struct Scree {
  std::vector<double> ratio;  // explained variance ratio of every component, falling
  int kept = 0;               // components kept
  Facts facts;
};

struct Scatter {
  std::string title;                // "Principal components 1 and 2"
  std::string x_axis, y_axis;       // "PC1 (23.4 % of variance)"; without y_axis, y has no scale
  std::vector<double> x, y;         // one per image; what is not finite is not drawn
  std::vector<std::string> labels;  // one per image, any bytes, "" for none
  Facts facts;
};

// SVG documents of 960 x 600, the same bytes for the same input everywhere. Colours tell up to 7
// labels apart also for the colour-blind; more labels get other shapes and their names on the map.
std::string ScreeSvg(const Scree& scree);
std::string ScatterSvg(const Scatter& scatter);

// An SVG document (with a viewBox) as PNG bytes, `width` pixels wide, 1 to 20,000.
Result<std::string> RenderPng(const std::string& svg, int width);

// From pca/ to plots/scree.{svg,png} and plots/pca.{svg,png}; gives the names written.
// NothingToRead without features or pca/; an error if the features changed since.
Result<std::vector<std::string>> WritePlots(io::Store* results);

}  // namespace pomona::view
