// A network in int8 from its f32 weights and images of the kind it is for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/io/source.h"
#include "pomona/model/card.h"
#include "pomona/model/precision.h"
#include "pomona/precision/agreement.h"
#include "pomona/precision/sample.h"

namespace pomona::precision {

struct QuantizeOptions {
  SampleOptions sample;
  std::filesystem::path weights;  // the user's own f32 weights; empty: the card's
  int64_t images = 300;           // to calibrate on, at most
  Budget budget;
  std::filesystem::path out;  // folder for the new card and its weights
  model::CpuFeatures cpu = model::ThisCpu();
};

struct Attempt {
  int f32_convolutions = 0;  // first convolutions that stay in f32
  Agreement agreement;       // with f32, on images that were not calibrated on
};

struct QuantizeReport {
  model::Card card;               // what was written
  int64_t calibration = 0;        // images that set the ranges
  int64_t unusable = 0;           // images of the sample that could not be read or decoded
  std::vector<Attempt> attempts;  // the last is the card's
};

// Images a calibration needs at least; as many others must be there for the check.
inline constexpr int64_t kFewestCalibration = 20;

// Takes a stratified sample of `source`, calibrates on a part of it with NNCF (models/quantize.py,
// run by $POMONA_PYTHON or, beside a clone's models/, .venv-quantize) and compares with f32 on the
// rest. If not inside the budget, the first 2, 4, 8, 16 convolutions stay in f32. What is inside
// the budget is written to `out` as ID-int8.json, .xml and .bin, the card last; otherwise nothing
// is, and the error gives the figures. UsageError without VNNI, for a card that is int8 already,
// with fewer usable images than twice kFewestCalibration, or without such a Python.
Result<QuantizeReport> Quantize(const model::Card& card, const io::Source& source,
                                const QuantizeOptions& options, const Observer& observer,
                                const std::stop_token& stop);

}  // namespace pomona::precision
