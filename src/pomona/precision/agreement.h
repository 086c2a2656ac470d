// How far the features of one precision agree with those of another.
#pragma once

#include <cstdint>
#include <span>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"

namespace pomona::precision {

struct Agreement {
  int64_t images = 0;           // compared
  double mean_cosine = 0;       // of an image's two features
  double min_cosine = 0;        // of the image that fares worst
  double neighbours_kept = 0;   // share of the 10 nearest other images (by cosine) that stay such
  double subspace_degrees = 0;  // largest principal angle between the subspaces of the first 6
                                // principal components of the standardised features

  bool operator==(const Agreement&) const = default;
};

// Compares two n x dimension matrices, row-major, whose rows are the same images. Principal angles:
// Bjorck and Golub, "Numerical Methods for Computing Angles Between Linear Subspaces", 1973, as
// scipy.linalg.subspace_angles computes small ones. Of data with fewer than 6 components all are
// taken. Features with a NaN or infinity, or fewer than two images, are an error.
Result<Agreement> Compare(std::span<const float> reference, std::span<const float> other,
                          int dimension);

// What must hold for features to be taken in place of f32's. docs/architecture.md says which
// measurements these come from.
struct Budget {
  double min_cosine = 0.99;
  double neighbours_kept = 0.90;
  double subspace_degrees = 10;
};

bool IsInside(const Agreement& agreement, const Budget& budget);

// Figures rounded to six decimals, so that they read well.
nlohmann::json ToJson(const Agreement& agreement);
nlohmann::json ToJson(const Budget& budget);

}  // namespace pomona::precision
