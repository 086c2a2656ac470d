#include "pomona/cli/precision.h"

#include <cstdio>
#include <string>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/dataset/dataset.h"

namespace pomona::cli {
namespace {

using nlohmann::json;
using Runner = Result<std::unique_ptr<model::Runner>>;

Runner Load(const ExtractJob& job, model::Precision precision) {
  return model::Runner::Load(job.card, {precision, job.options.threads, job.weights});
}

// The precision that the committed features have, if there are any.
Result<std::optional<model::Precision>> Committed(const io::Store& results) {
  const auto there = dataset::Dataset::Open(results);
  if (IsNothingToRead(there.status())) return std::nullopt;
  ARROW_RETURN_NOT_OK(there.status());
  const json name = there->manifest().model.value("precision", json());
  if (!name.is_string()) return std::nullopt;
  return model::ParsePrecision(name.get<std::string>());
}

Status Keep(model::Precision precision, ExtractJob* job, Console* console) {
  const std::string name = model::ToString(precision);
  if (job->runner == nullptr || precision != job->runner->precision()) {
    Runner runner = Load(*job, precision);
    if (!runner.ok()) {
      return WithContext(runner.status(), job->results->Describe(dataset::kFeaturesFolder) +
                                              " holds " + name + " features");
    }
    job->runner = std::move(*runner);
  }
  job->choice.reset();
  job->options.precision_choice = nullptr;
  console->Line("precision " + name + ": the features that are there have it");
  return Status::OK();
}

std::string Verdict(const precision::Finding& finding) {
  char text[96] = "";
  if (finding.precision == model::Precision::kF32) return "what the others are compared with";
  if (!finding.unavailable.empty()) return finding.unavailable;
  if (!finding.agreement) return "not compared";
  std::snprintf(text, sizeof(text), "%.4f  %5.1f %%  %5.1f deg  %s", finding.agreement->min_cosine,
                100 * finding.agreement->neighbours_kept, finding.agreement->subspace_degrees,
                finding.inside ? "inside the budget" : "outside the budget");
  return text;
}

}  // namespace

Result<std::optional<io::Listing>> ChoosePrecision(ExtractJob* job, Context* context) {
  if (!job->auto_precision) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto committed, Committed(*job->results));
  if (committed) {
    const bool own = job->choice && job->choice->precision == *committed;
    if (!own) ARROW_RETURN_NOT_OK(Keep(*committed, job, &context->console));
    job->auto_precision = false;
    return std::nullopt;
  }
  if (job->choice) return std::nullopt;  // by a look (--watch) that did not get to commit
  const Observer observer = context->console.observer();
  ARROW_ASSIGN_OR_RAISE(io::Listing listing, job->source->List(observer, context->stop));
  const auto load = [job](model::Precision precision) -> Runner {
    const bool loaded = precision == model::Precision::kF32 && job->runner != nullptr;
    return loaded ? Runner(std::move(job->runner)) : Load(*job, precision);
  };
  precision::ChooseOptions options;
  options.sample = {job->options.recipe, job->options.limits, job->options.threads,
                    job->options.sandbox, job->options.read_ahead_bytes};
  auto choice = precision::Choose(*job->source, listing, load, options, observer, context->stop);
  context->console.EndProgress();
  ARROW_RETURN_NOT_OK(choice.status());
  job->runner = std::move(choice->runner);
  job->options.precision_choice = choice->Recorded();
  job->choice = std::move(*choice);
  return listing;
}

void PrintChoice(const ExtractJob& job, Console* console) {
  if (!job.choice) return;
  const precision::Choice& choice = *job.choice;
  console->Line("  precision auto: " + model::ToString(choice.precision) + ", " + choice.reason);
  console->Line("    precision  images/s  cosine  neighbours  subspace");
  for (const precision::Finding& finding : choice.findings) {
    char speed[32] = "-";
    if (finding.images_per_second > 0) {
      std::snprintf(speed, sizeof(speed), "%.0f", finding.images_per_second);
    }
    char line[64];
    std::snprintf(line, sizeof(line), "    %-9s  %8s  ", model::ToString(finding.precision).c_str(),
                  speed);
    console->Line(line + Verdict(finding));
  }
}

json ChoiceJson(const ExtractJob& job) {
  if (!job.choice) return {};
  json out = job.choice->Recorded();
  for (const precision::Finding& finding : job.choice->findings) {
    out["images_per_second"][model::ToString(finding.precision)] = finding.images_per_second;
  }
  return out;
}

}  // namespace pomona::cli
