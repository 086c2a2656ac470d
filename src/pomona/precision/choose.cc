#include "pomona/precision/choose.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pomona/base/text.h"

namespace pomona::precision {
namespace {

using model::Precision;

// Less is not worth features that differ, and would let the choice hang on chance.
constexpr double kLeastGain = 1.1;

struct Candidate {
  Finding finding;
  std::unique_ptr<model::Runner> runner;
};

Result<std::vector<Candidate>> LoadAll(const LoadRunner& load) {
  std::vector<Candidate> all;
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    Candidate& candidate = all.emplace_back();
    candidate.finding.precision = precision;
    auto runner = load(precision);
    if (runner.ok()) {
      candidate.runner = std::move(*runner);
    } else if (precision == Precision::kF32 || runner.status().IsCancelled()) {
      return runner.status();
    } else {
      candidate.finding.unavailable = runner.status().message();
    }
  }
  return all;
}

bool IsFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// Drops images whose f32 features are not finite: the run will reject them.
void DropUnusable(size_t d, std::vector<image::Image>* images, std::vector<float>* features,
                  int64_t* unusable) {
  std::vector<image::Image> kept;
  std::vector<float> kept_features;
  for (size_t i = 0; i < images->size(); ++i) {
    const std::span<const float> row(features->data() + i * d, d);
    if (!IsFinite(row)) continue;
    kept.push_back(std::move((*images)[i]));
    kept_features.insert(kept_features.end(), row.begin(), row.end());
  }
  *unusable += static_cast<int64_t>(images->size() - kept.size());
  *images = std::move(kept);
  *features = std::move(kept_features);
}

Status CompareOne(const std::vector<image::Image>& images, const std::vector<float>& reference,
                  const ChooseOptions& options, const std::stop_token& stop, Candidate* candidate) {
  Finding& finding = candidate->finding;
  ARROW_ASSIGN_OR_RAISE(const SampleFeatures features,
                        RunSample(candidate->runner.get(), images, options.sample.threads, stop));
  if (features.values.size() != reference.size() || !IsFinite(features.values)) {
    finding.unavailable = "its features are not finite numbers on this sample";
    return Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(finding.agreement,
                        Compare(reference, features.values, candidate->runner->dimension()));
  finding.images_per_second = features.images_per_second;
  finding.inside = IsInside(*finding.agreement, options.budget);
  return Status::OK();
}

// Runs the sample through all; gives why they could not be compared, or nothing.
Result<std::string> CompareAll(const io::Source& source, const io::Listing& listing,
                               const ChooseOptions& options, const Observer& observer,
                               const std::stop_token& stop, std::vector<Candidate>* all,
                               int64_t* unusable) {
  const auto entries = StratifiedSample(listing.entries, options.images);
  ARROW_ASSIGN_OR_RAISE(PreparedSample sample,
                        PrepareSample(source, entries, options.sample, observer, stop));
  *unusable = sample.unusable;
  Candidate& f32 = all->front();
  ARROW_ASSIGN_OR_RAISE(SampleFeatures reference,
                        RunSample(f32.runner.get(), sample.images, options.sample.threads, stop));
  f32.finding.images_per_second = reference.images_per_second;
  DropUnusable(static_cast<size_t>(f32.runner->dimension()), &sample.images, &reference.values,
               unusable);
  const auto usable = static_cast<int64_t>(sample.images.size());
  if (usable < kFewestImages) {
    return Counted(usable, "usable image") + (usable == 1 ? " is" : " are") +
           " too few to compare precisions on: " + std::to_string(kFewestImages) + " are needed";
  }
  for (Candidate& candidate : *all) {
    if (&candidate == &f32 || candidate.runner == nullptr) continue;
    ARROW_RETURN_NOT_OK(CompareOne(sample.images, reference.values, options, stop, &candidate));
  }
  return std::string();
}

size_t Fastest(const std::vector<Candidate>& all) {
  size_t best = 0;
  double least = all[0].finding.images_per_second * kLeastGain;
  for (size_t i = 1; i < all.size(); ++i) {
    const Finding& finding = all[i].finding;
    if (!finding.inside || finding.images_per_second < least) continue;
    best = i;
    least = finding.images_per_second;
  }
  return best;
}

std::string WhyFastest(const std::vector<Candidate>& all, size_t best) {
  if (best != 0) return "the fastest of those inside the budget";
  const bool any =
      std::any_of(all.begin() + 1, all.end(), [](const Candidate& c) { return c.finding.inside; });
  return any ? "no precision inside the budget is faster"
             : "no other precision is inside the budget";
}

nlohmann::json ToJson(const Finding& finding) {
  nlohmann::json j = {{"precision", model::ToString(finding.precision)}};
  if (finding.agreement) {
    j["agreement"] = ToJson(*finding.agreement);
    j["inside_budget"] = finding.inside;
  } else if (!finding.unavailable.empty()) {
    j["unavailable"] = finding.unavailable;
  }
  return j;
}

}  // namespace

nlohmann::json Choice::Recorded() const {
  nlohmann::json candidates = nlohmann::json::array();
  for (const Finding& finding : findings) {
    if (finding.precision != Precision::kF32) candidates.push_back(ToJson(finding));
  }
  return {{"precision", model::ToString(precision)},
          {"reason", reason},
          {"unusable", unusable},
          {"budget", ToJson(budget)},
          {"candidates", candidates}};
}

Result<Choice> Choose(const io::Source& source, const io::Listing& listing, const LoadRunner& load,
                      const ChooseOptions& options, const Observer& observer,
                      const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(std::vector<Candidate> all, LoadAll(load));
  Choice choice;
  choice.budget = options.budget;
  const bool alone = std::none_of(all.begin() + 1, all.end(),
                                  [](const Candidate& c) { return c.runner != nullptr; });
  size_t best = 0;
  if (alone) {
    choice.reason = "no other precision can run here";
  } else {
    ARROW_ASSIGN_OR_RAISE(choice.reason, CompareAll(source, listing, options, observer, stop, &all,
                                                    &choice.unusable));
    if (choice.reason.empty()) {
      best = Fastest(all);
      choice.reason = WhyFastest(all, best);
    }
  }
  choice.precision = all[best].finding.precision;
  choice.runner = std::move(all[best].runner);
  for (Candidate& candidate : all) choice.findings.push_back(std::move(candidate.finding));
  return choice;
}

}  // namespace pomona::precision
