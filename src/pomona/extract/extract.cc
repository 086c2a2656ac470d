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

dataset::PartIdentity Identity(const std::string& key, const Manifest& manifest) {
  const json& choice = manifest.precision_choice;
  return {key, manifest.recipe_hash(), manifest.model_hash(),
          choice.is_null() ? "" : choice.dump()};
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

Result<Extraction> Extraction::Begin(const io::Source& source, Manifest contract,
                                     io::Store* results, const ExtractOptions& options,
                                     std::optional<io::Listing> listing, const Observer& observer,
                                     std::stop_token stop) {
  Extraction extraction(results, std::move(contract));
  extraction.start_ = std::chrono::steady_clock::now();
  Manifest& manifest = extraction.manifest_;
  ARROW_ASSIGN_OR_RAISE(extraction.committed_, OpenCommitted(*results, manifest));
  if (extraction.committed_ && manifest.precision_choice.is_null()) {
    manifest.precision_choice = extraction.committed_->manifest().precision_choice;
  }
  if (!listing) {
    ARROW_ASSIGN_OR_RAISE(listing, Timed(observer.profile, "list",
                                         [&] { return source.List(observer, std::move(stop)); }));
  }
  ARROW_RETURN_NOT_OK(extraction.Compare(*listing, options));
  ARROW_RETURN_NOT_OK(extraction.KeepAndCarry());
  ARROW_RETURN_NOT_OK(extraction.FindFinished());
  return extraction;
}

Status Extraction::Compare(const io::Listing& listing, const ExtractOptions& options) {
  const Dataset* committed = committed_ ? &*committed_ : nullptr;
  std::vector<dataset::Removed> removed;
  if (committed != nullptr) {
    ARROW_ASSIGN_OR_RAISE(removed, ReadRemoved(*results_, committed->manifest()));
  }
  ARROW_ASSIGN_OR_RAISE(plan_, MakePlan(listing, committed, std::move(removed),
                                        manifest_.recipe_hash() + manifest_.model_hash(),
                                        {options.part_images, options.limits}));
  report_.listed = plan_.listed;
  report_.ignored = listing.ignored;
  report_.removed = plan_.removed_now;
  report_.replaced = plan_.replaced;
  manifest_.ignored = listing.ignored;
  return Status::OK();
}

Status Extraction::KeepAndCarry() {
  for (size_t i : plan_.kept) {
    const PartEntry& entry = committed_->manifest().parts[i];
    report_.kept += entry.rows + entry.rejected;
    manifest_.parts.push_back(entry);
  }
  for (const CarriedPart& carried : plan_.carried) {
    ARROW_ASSIGN_OR_RAISE(const dataset::Part from, committed_->ReadPart(carried.from));
    ARROW_ASSIGN_OR_RAISE(const PartEntry entry, WritePart(results_, Pick(from, carried),
                                                           Identity(carried.key, manifest_)));
    report_.carried += entry.rows + entry.rejected;
    manifest_.parts.push_back(entry);
  }
  return Status::OK();
}

Status Extraction::FindFinished() {
  computed_.resize(plan_.compute.size());
  for (size_t i = 0; i < computed_.size(); ++i) {
    const PlannedPart& part = plan_.compute[i];
    ARROW_ASSIGN_OR_RAISE(computed_[i], FindPart(*results_, Identity(part.key, manifest_)));
    if (computed_[i]) {
      report_.resumed += computed_[i]->rows + computed_[i]->rejected;
    } else {
      missing_.push_back(&part);
      missing_at_.push_back(i);
      report_.computed += static_cast<int64_t>(part.entries.size());
    }
  }
  return Status::OK();
}

Progress Extraction::progress() const {
  return {"features", plan_.listed - report_.computed, plan_.listed, 0};
}

void Extraction::Finish(size_t index, const ComputedPart& computed) {
  computed_[missing_at_[index]] = computed.entry;
  report_.damaged += computed.damaged;
}

Result<ExtractReport> Extraction::Commit(Profile* profile) {
  for (const auto& entry : computed_) {
    if (!entry) return Status::Invalid("a part is not finished: nothing was committed");
    manifest_.parts.push_back(*entry);
  }
  const Span span(profile, "commit");
  ARROW_RETURN_NOT_OK(WriteRemoved(results_, plan_.removed, &manifest_));
  ARROW_RETURN_NOT_OK(dataset::Commit(results_, manifest_, committed_ ? &*committed_ : nullptr));
  report_.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  report_.featured = manifest_.rows();
  report_.rejected = manifest_.rejected();
  if (report_.listed != report_.featured + report_.rejected) {
    return Status::UnknownError("counts do not add up: ", report_.listed, " listed, ",
                                report_.featured, " featured, ", report_.rejected,
                                " rejected; please report this");
  }
  return report_;
}

Status ComputeParts(const std::vector<const PlannedPart*>& parts, const io::Source& source,
                    model::Runner* runner, io::Store* results, const Manifest& manifest,
                    const ExtractOptions& options,
                    const std::function<void(size_t, const ComputedPart&)>& done,
                    const Observer& observer, Progress progress, std::stop_token stop) {
  const auto write = [&](size_t index, const dataset::Part& part) -> Status {
    ARROW_ASSIGN_OR_RAISE(const PartEntry entry,
                          WritePart(results, part, Identity(parts[index]->key, manifest)));
    done(index, {entry, std::count_if(part.rows.begin(), part.rows.end(),
                                      [](const auto& row) { return !row.damage.empty(); })});
    return Status::OK();
  };
  const Featurizer featurizer(runner, options.recipe, options.limits, options.sandbox,
                              observer.profile);
  const PipelineOptions pipeline{
      runner->dimension(),
      options.threads,
      options.group_bytes,
      {.max_file_bytes = options.limits.max_bytes, .memory_bytes = options.read_ahead_bytes}};
  return RunParts(parts, source, featurizer, pipeline, write, observer, std::move(progress),
                  std::move(stop));
}

Result<ExtractReport> Extract(const io::Source& source, model::Runner* runner, io::Store* results,
                              const ExtractOptions& options, const Observer& observer,
                              std::stop_token stop, std::optional<io::Listing> listing) {
  ARROW_ASSIGN_OR_RAISE(Extraction extraction,
                        Extraction::Begin(source, Contract(source, *runner, options), results,
                                          options, std::move(listing), observer, stop));
  const auto done = [&](size_t index, const ComputedPart& computed) {
    extraction.Finish(index, computed);
  };
  ARROW_RETURN_NOT_OK(ComputeParts(extraction.missing(), source, runner, results,
                                   extraction.manifest(), options, done, observer,
                                   extraction.progress(), std::move(stop)));
  return extraction.Commit(observer.profile);
}

}  // namespace pomona::extract
