#include "pomona/cli/report.h"

#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/text.h"
#include "pomona/cli/precision.h"
#include "pomona/dataset/dataset.h"

namespace pomona::cli {
namespace {

using nlohmann::json;

std::string Percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %%", 100 * fraction);
  return text;
}

// Components needed for `fraction` of the variance.
int Needed(const std::vector<double>& ratio, double fraction) {
  double sum = 0;
  for (size_t i = 0; i < ratio.size(); ++i) {
    sum += ratio[i];
    if (sum >= fraction - 1e-12) return static_cast<int>(i) + 1;
  }
  return static_cast<int>(ratio.size());
}

double Kept(const reduce::Pca& pca) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  double sum = 0;
  for (int i = 0; i < pca.k; ++i) sum += ratio[static_cast<size_t>(i)];
  return sum;
}

// "3 truncated, 1 not_an_image" over the committed dataset.
std::string ReasonCounts(const io::Store& results) {
  const auto dataset = dataset::Dataset::Open(results);
  if (!dataset.ok()) return "";
  std::map<std::string_view, int64_t> counts;
  for (size_t i = 0; i < dataset->num_parts(); ++i) {
    if (dataset->manifest().parts[i].rejected == 0) continue;
    const auto part = dataset->ReadRows(i);
    if (!part.ok()) continue;
    for (const auto& rejected : part->rejected) ++counts[ReasonName(rejected.why.reason)];
  }
  std::string text;
  for (const auto& [reason, n] : counts) {
    text += (text.empty() ? "" : ", ") + WithThousands(n) + " " + std::string(reason);
  }
  return text;
}

std::string Origins(const extract::ExtractReport& r) {
  std::string text;
  const auto add = [&](int64_t n, const char* what) {
    if (n > 0) text += (text.empty() ? "" : ", ") + WithThousands(n) + " " + what;
  };
  add(r.computed, "computed now");
  add(r.kept, "already there");
  add(r.carried, "carried over");
  add(r.resumed, "finished by an interrupted run");
  add(r.replaced, "replaced since");
  add(r.removed, "no longer in the source");
  return text;
}

}  // namespace

void PrintExtract(const ExtractJob& job, const extract::ExtractReport& report, Console* console) {
  if (console->json) return;
  console->Line(Counted(report.listed, "image") + ": " + Counted(report.featured, "feature") +
                " of " + WithThousands(job.runner->dimension()) + " numbers, " +
                WithThousands(report.rejected) + " rejected (" + job.card.id + ", " +
                model::ToString(job.runner->precision()) + ")");
  std::string origins = Origins(report);
  if (report.computed > 0 && report.seconds > 0) {
    char rate[64];
    std::snprintf(rate, sizeof(rate), " in %s (%.0f images/s)",
                  HumanDuration(report.seconds).c_str(),
                  static_cast<double>(report.computed) / report.seconds);
    origins += rate;
  }
  console->Line("  " + origins);
  if (report.rejected > 0) {
    console->Line("  rejected: " + ReasonCounts(*job.results) + "; each with its reason in " +
                  job.results->Describe(dataset::kRejectedName));
  }
  if (report.ignored > 0) {
    console->Line("  " + Counted(report.ignored, "other file") +
                  " passed over: not an image by name");
  }
  PrintChoice(job, console);
}

json ToJson(const ExtractJob& job, const extract::ExtractReport& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.computed) / r.seconds : 0;
  return {{"source", job.source->uri()},
          {"results", job.results->uri()},
          {"model", job.card.id},
          {"precision", model::ToString(job.runner->precision())},
          {"precision_choice", ChoiceJson(job)},
          {"dimension", job.runner->dimension()},
          {"recipe", image::ToJson(job.options.recipe)},
          {"threads", job.options.threads},
          {"sandbox", job.sandbox != nullptr},
          {"listed", r.listed},
          {"ignored", r.ignored},
          {"featured", r.featured},
          {"rejected", r.rejected},
          {"kept", r.kept},
          {"carried", r.carried},
          {"resumed", r.resumed},
          {"computed", r.computed},
          {"damaged", r.damaged},
          {"removed", r.removed},
          {"replaced", r.replaced},
          {"seconds", r.seconds},
          {"images_per_second", rate}};
}

void PrintReduce(const reduce::Pca& pca, Console* console) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  console->Line(Counted(pca.k, "component") + (pca.k == 1 ? " keeps " : " keep ") +
                Percent(Kept(pca)) + " of the variance of " + Counted(pca.n, "image") +
                " (90 % needs " + WithThousands(Needed(ratio, 0.9)) + ", 95 % " +
                WithThousands(Needed(ratio, 0.95)) + ", 99 % " +
                WithThousands(Needed(ratio, 0.99)) + ")");
}

json ToJson(const reduce::Pca& pca) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  return {{"n", pca.n},
          {"dimension", pca.dimension},
          {"k", pca.k},
          {"rank", pca.rank},
          {"constant_columns", pca.scaler.constant.size()},
          {"kept_variance", Kept(pca)},
          {"explained_ratio", std::vector<double>(ratio.begin(), ratio.begin() + pca.k)}};
}

}  // namespace pomona::cli
