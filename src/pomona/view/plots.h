// Pictures of results, as SVG and PNG from one drawing.
#pragma once

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
  std::string title;             // "Principal components 1 and 2"
  std::string x_axis, y_axis;    // "PC1 (23.4 % of variance)"
  std::vector<double> x, y;      // one per image
  std::vector<std::string> labels;  // one per image, "" for none
  Facts facts;
};

std::string ScreeSvg(const Scree& scree);
std::string ScatterSvg(const Scatter& scatter);

// An SVG document as PNG bytes, `width` pixels wide.
Result<std::string> RenderPng(const std::string& svg, int width);

// From pca/ to plots/scree.{svg,png} and plots/pca.{svg,png}; gives the names written.
Result<std::vector<std::string>> WritePlots(io::Store* results);

}  // namespace pomona::view
