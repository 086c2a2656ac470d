// --precision auto: the fastest precision whose features agree with f32's on this very source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/io/source.h"
#include "pomona/model/runner.h"
#include "pomona/precision/agreement.h"
#include "pomona/precision/sample.h"

namespace pomona::precision {

// The network in a precision; an error says why it cannot be had.
using LoadRunner = std::function<Result<std::unique_ptr<model::Runner>>(model::Precision)>;

struct ChooseOptions {
  SampleOptions sample;
  int64_t images = 256;  // of the sample, at most
  Budget budget;
};

// One precision that was considered.
struct Finding {
  model::Precision precision = model::Precision::kF32;
  std::string unavailable;             // why it could not be compared, or empty
  std::optional<Agreement> agreement;  // with f32
  double images_per_second = 0;        // of the network alone
  bool inside = false;                 // the budget
};

struct Choice {
  model::Precision precision = model::Precision::kF32;
  std::unique_ptr<model::Runner> runner;  // in that precision
  std::string reason;                     // why it, one clause
  Budget budget;
  int64_t unusable = 0;           // images of the sample that could not be read or decoded
  std::vector<Finding> findings;  // f32, bf16, int8

  // Everything but speeds and f32 itself: what manifest and footers record. The same listing,
  // images and CPU give the same text.
  nlohmann::json Recorded() const;
};

// Fewer images cannot tell: a principal subspace of 6 dimensions needs some to be one.
inline constexpr int64_t kFewestImages = 20;

// Compares bf16 and int8 with f32 on a stratified sample of `listing` and keeps the fastest that is
// inside the budget; f32 unless the gain is a tenth. A precision that cannot be had, or gives a
// NaN, is passed over with its reason; with fewer than kFewestImages usable images, or nothing to
// compare, f32 is taken. An error only if f32 cannot be had or the source fails; Cancelled when
// stopped.
Result<Choice> Choose(const io::Source& source, const io::Listing& listing, const LoadRunner& load,
                      const ChooseOptions& options, const Observer& observer,
                      const std::stop_token& stop);

}  // namespace pomona::precision
