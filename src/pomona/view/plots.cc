// Results folder -> pictures in it.

#include "pomona/view/plots.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <numbers>
#include <string_view>
#include <utility>

#include "pomona/dataset/dataset.h"
#include "pomona/reduce/reduce.h"
#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

constexpr int kPngWidth = 1920;  // pixels: a slide's

std::string Word(const nlohmann::json& json, const char* field) {
  const auto it = json.find(field);
  if (it == json.end()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

Facts FactsOf(const dataset::Manifest& manifest) {
  const nlohmann::json& recipe = manifest.recipe;
  return {manifest.rows(), Word(manifest.model, "id") + ", " + Word(manifest.model, "precision"),
          Word(recipe, "width") + "x" + Word(recipe, "height") + " " + Word(recipe, "resize") +
              ", denoise " + Word(recipe, "denoise")};
}

std::string AxisTitle(size_t component, const std::vector<double>& ratio) {
  return "PC" + std::to_string(component) + " (" + Number(100 * ratio.at(component - 1)) +
         " % of variance)";
}

// With one component the other direction only keeps points apart: a strip for each label, the
// first on top, and within it a golden-ratio sequence, which is even for any number of points.
std::vector<double> Strips(const std::vector<std::string>& labels) {
  std::map<std::string_view, std::pair<int, int>> strips;  // label -> (strip, points so far)
  for (const std::string& label : labels) strips[label];
  int next = 0;
  for (auto& [label, strip] : strips) strip.first = next++;
  std::vector<double> y;
  for (const std::string& label : labels) {
    auto& [strip, count] = strips[label];
    const double turns = ++count * std::numbers::phi;
    y.push_back(-(strip + 0.6 * (turns - std::floor(turns))));
  }
  return y;
}

// The first two components, or the only one, or, of data that do not vary, none.
Scatter MakeScatter(reduce::Projection projection, const std::vector<double>& ratio,
                    const Facts& facts) {
  const auto k = static_cast<size_t>(projection.k);
  const size_t rows = projection.labels.size();
  Scatter scatter;
  scatter.facts = facts;
  scatter.title = k >= 2 ? "Principal components 1 and 2" : "Principal component 1";
  scatter.x_axis = k >= 1 ? AxisTitle(1, ratio) : "PC1 (no variance)";
  for (size_t i = 0; i < rows; ++i) scatter.x.push_back(k >= 1 ? projection.values[i * k] : 0);
  if (k >= 2) {
    scatter.y_axis = AxisTitle(2, ratio);
    for (size_t i = 0; i < rows; ++i) scatter.y.push_back(projection.values[i * k + 1]);
  } else {
    scatter.y = Strips(projection.labels);
  }
  scatter.labels = std::move(projection.labels);
  return scatter;
}

Status PutPlot(const std::string& name, const std::string& svg, io::Store* results,
               std::vector<std::string>* written) {
  ARROW_ASSIGN_OR_RAISE(const std::string png, RenderPng(svg, kPngWidth));
  for (const auto& [suffix, bytes] : {std::pair(".svg", &svg), std::pair(".png", &png)}) {
    written->push_back("plots/" + name + suffix);
    ARROW_RETURN_NOT_OK(results->Put(written->back(), *bytes));
  }
  return Status::OK();
}

}  // namespace

Result<std::vector<std::string>> WritePlots(io::Store* results) {
  ARROW_ASSIGN_OR_RAISE(const dataset::Dataset dataset, dataset::Dataset::Open(*results));
  ARROW_ASSIGN_OR_RAISE(const reduce::Pca pca, reduce::LoadPca(*results));
  if (pca.dataset != reduce::DatasetIdentity(dataset.manifest())) {
    return Status::Invalid("the features in ", results->uri(),
                           " changed after their principal components were computed: run `pomona "
                           "reduce`, then plot again");
  }
  ARROW_ASSIGN_OR_RAISE(reduce::Projection projection, reduce::LoadProjection(*results));
  const Facts facts = FactsOf(dataset.manifest());
  const std::vector<double> ratio = pca.ExplainedRatio();
  std::vector<std::string> written;
  ARROW_RETURN_NOT_OK(PutPlot("scree", ScreeSvg({ratio, pca.k, facts}), results, &written));
  ARROW_RETURN_NOT_OK(PutPlot("pca", ScatterSvg(MakeScatter(std::move(projection), ratio, facts)),
                              results, &written));
  return written;
}

}  // namespace pomona::view
