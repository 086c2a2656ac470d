#include "pomona/extract/extract.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pomona/base/version.h"
#include "pomona/dataset/commit.h"
#include "pomona/dataset/dataset.h"
#include "pomona/extract/pipeline.h"
#include "pomona/extract/plan.h"

namespace pomona::extract {
namespace {

using dataset::Dataset;
using dataset::Manifest;
using dataset::PartEntry;
using dataset::PartIdentity;
using nlohmann::json;

Result<std::optional<Dataset>> OpenCommitted(const io::Store& results, const Manifest& contract) {
  auto opened = Dataset::Open(results);
  if (!opened.ok()) {
    if (IsNothingToRead(opened.status())) return std::nullopt;
    return opened.status();
  }
  ARROW_RETURN_NOT_OK(
      CheckSameContract(opened->manifest(), contract, results.Describe(dataset::kFeaturesFolder)));
  return std::move(*opened);
}

// Copies the rows and rejections of `carried` out of the part they were committed in.
dataset::Part Pick(const dataset::Part& from, const CarriedPart& carried) {
  dataset::Part part;
  part.dimension = from.dimension;
  const auto d = static_cast<std::ptrdiff_t>(from.dimension);
  for (size_t i : carried.rows) {
    part.rows.push_back(from.rows[i]);
    const auto begin = from.features.begin() + static_cast<std::ptrdiff_t>(i) * d;
    part.features.insert(part.features.end(), begin, begin + d);
  }
  for (size_t i : carried.rejected) part.rejected.push_back(from.rejected[i]);
  return part;
}

// Fills manifest->parts in the plan's order: kept, carried, then computed ones.
class Run {
 public:
  Run(const Plan& plan, const std::optional<Dataset>& committed, io::Store* results,
      Manifest* manifest, ExtractReport* report)
      : plan_(plan),
        committed_(committed),
        results_(results),
        manifest_(manifest),
        report_(report) {}

  Status KeepAndCarry() {
    for (size_t i : plan_.kept) {
      const PartEntry& entry = committed_->manifest().parts[i];
      report_->kept += entry.rows + entry.rejected;
      manifest_->parts.push_back(entry);
    }
    for (const CarriedPart& carried : plan_.carried) {
      ARROW_ASSIGN_OR_RAISE(const dataset::Part from, committed_->ReadPart(carried.from));
      ARROW_ASSIGN_OR_RAISE(const PartEntry entry,
                            WritePart(results_, Pick(from, carried), Identity(carried.key)));
      report_->carried += entry.rows + entry.rejected;
      manifest_->parts.push_back(entry);
    }
    return Status::OK();
  }

  Status Compute(const io::Source& source, const Featurizer& featurizer,
                 const ExtractOptions& options, const Observer& observer, std::stop_token stop) {
    std::vector<std::optional<PartEntry>> entries(plan_.compute.size());
    std::vector<const PlannedPart*> missing;
    std::vector<size_t> missing_at;
    Progress progress{"features", plan_.listed - plan_.to_compute(), plan_.listed, 0};
    for (size_t i = 0; i < entries.size(); ++i) {
      const PlannedPart& part = plan_.compute[i];
      ARROW_ASSIGN_OR_RAISE(entries[i], FindPart(*results_, Identity(part.key)));
      if (entries[i]) {
        report_->resumed += entries[i]->rows + entries[i]->rejected;
      } else {
        missing.push_back(&part);
        missing_at.push_back(i);
      }
    }
    progress.done += report_->resumed;
    const auto write = [&](size_t index, const dataset::Part& part) -> Status {
      report_->damaged += std::count_if(part.rows.begin(), part.rows.end(),
                                        [](const dataset::Row& r) { return !r.damage.empty(); });
      ARROW_ASSIGN_OR_RAISE(entries[missing_at[index]],
                            WritePart(results_, part, Identity(missing[index]->key)));
      return Status::OK();
    };
    const PipelineOptions pipeline{
        manifest_->dimension(),
        options.threads,
        {.max_file_bytes = options.limits.max_bytes, .memory_bytes = options.read_ahead_bytes}};
    ARROW_RETURN_NOT_OK(
        RunParts(missing, source, featurizer, pipeline, write, observer, progress, stop));
    for (const PlannedPart* part : missing) {
      report_->computed += static_cast<int64_t>(part->entries.size());
    }
    for (auto& entry : entries) manifest_->parts.push_back(std::move(*entry));
    return Status::OK();
  }

 private:
  PartIdentity Identity(const std::string& key) const {
    const json& choice = manifest_->precision_choice;
    return {key, manifest_->recipe_hash(), manifest_->model_hash(),
            choice.is_null() ? "" : choice.dump()};
  }

  const Plan& plan_;
  const std::optional<Dataset>& committed_;
  io::Store* results_;
  Manifest* manifest_;
  ExtractReport* report_;
};

Result<io::Listing> List(const io::Source& source, const Observer& observer, std::stop_token stop) {
  const Span span(observer.profile, "list");
  return source.List(observer, std::move(stop));
}

Status CommitProfiled(io::Store* results, const Manifest& manifest,
                      const std::optional<Dataset>& replaced, Profile* profile) {
  const Span span(profile, "commit");
  return Commit(results, manifest, replaced ? &*replaced : nullptr);
}

}  // namespace

Manifest Contract(const io::Source& source, const model::Runner& runner,
                  const ExtractOptions& options) {
  Manifest manifest;
  manifest.tool = std::string("pomona ") + kVersion;
  manifest.source = source.uri();
  manifest.label = source.label_rule();
  manifest.recipe = image::ToJson(options.recipe);
  manifest.precision_choice = options.precision_choice;
  manifest.model = {{"id", runner.card().id},
                    {"identity", runner.card().Identity()},
                    {"weights_sha256", runner.weights_sha256()},
                    {"precision", model::ToString(runner.precision())}};
  return manifest;
}

Result<ExtractReport> Extract(const io::Source& source, model::Runner* runner, io::Store* results,
                              const ExtractOptions& options, const Observer& observer,
                              std::stop_token stop) {
  const auto start = std::chrono::steady_clock::now();
  Manifest manifest = Contract(source, *runner, options);
  ARROW_ASSIGN_OR_RAISE(const std::optional<Dataset> committed, OpenCommitted(*results, manifest));
  if (committed && manifest.precision_choice.is_null()) {
    manifest.precision_choice = committed->manifest().precision_choice;
  }
  ARROW_ASSIGN_OR_RAISE(const io::Listing listing, List(source, observer, stop));
  const std::string contract = manifest.recipe_hash() + manifest.model_hash();
  std::vector<dataset::Removed> removed;
  if (committed) {
    ARROW_ASSIGN_OR_RAISE(removed, ReadRemoved(*results, committed->manifest()));
  }
  ARROW_ASSIGN_OR_RAISE(const Plan plan,
                        MakePlan(listing, committed ? &*committed : nullptr, std::move(removed),
                                 contract, {options.part_images, options.limits}));
  ExtractReport report;
  report.listed = plan.listed;
  report.ignored = listing.ignored;
  report.removed = plan.removed_now;
  report.replaced = plan.replaced;
  manifest.ignored = listing.ignored;

  Run run(plan, committed, results, &manifest, &report);
  ARROW_RETURN_NOT_OK(run.KeepAndCarry());
  const Featurizer featurizer(runner, options.recipe, options.limits, options.sandbox,
                              observer.profile);
  ARROW_RETURN_NOT_OK(run.Compute(source, featurizer, options, observer, stop));
  ARROW_RETURN_NOT_OK(WriteRemoved(results, plan.removed, &manifest));
  ARROW_RETURN_NOT_OK(CommitProfiled(results, manifest, committed, observer.profile));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.featured = manifest.rows();
  report.rejected = manifest.rejected();
  if (report.listed != report.featured + report.rejected) {
    return Status::UnknownError("counts do not add up: ", report.listed, " listed, ",
                                report.featured, " featured, ", report.rejected,
                                " rejected; please report this");
  }
  return report;
}

}  // namespace pomona::extract
