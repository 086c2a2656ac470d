#include "pomona/dataset/verify.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "pomona/base/text.h"
#include "pomona/dataset/commit.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/garbage.h"
#include "pomona/dataset/removed.h"

namespace pomona::dataset {
namespace {

// What one part adds to the report, but for paths seen in other parts.
void CheckFeatures(const Part& part, const std::string& name, VerifyReport* report) {
  const auto d = static_cast<size_t>(part.dimension);
  for (size_t i = 0; i < part.rows.size(); ++i) {
    const auto begin = part.features.begin() + static_cast<std::ptrdiff_t>(i * d);
    const auto end = begin + static_cast<std::ptrdiff_t>(d);
    if (!std::all_of(begin, end, [](float v) { return std::isfinite(v); })) {
      report->problems.push_back(name + ": the feature of " + Quoted(part.rows[i].path) +
                                 " is not finite");
    } else if (std::all_of(begin, end, [](float v) { return v == 0; })) {
      report->problems.push_back(name + ": the feature of " + Quoted(part.rows[i].path) +
                                 " is all zeros");
    }
  }
}

// A duplicate of the source is rejected under the path of the one that has the feature.
void CheckPaths(const Part& part, const std::string& name, std::unordered_set<std::string>* seen,
                VerifyReport* report) {
  const auto add = [&](const std::string& path) {
    if (!seen->insert(path).second) {
      report->problems.push_back(name + ": " + Quoted(path) + " is in the dataset twice");
    }
  };
  for (const Row& row : part.rows) add(row.path);
  for (const Rejected& rejected : part.rejected) {
    if (rejected.why.reason != Reason::kDuplicate) add(rejected.path);
  }
}

Status CheckRejectedFile(const io::Store& store, const Dataset& dataset, VerifyReport* report) {
  ARROW_ASSIGN_OR_RAISE(const std::string expected, EncodeRejected(dataset));
  const auto file = store.Read(kRejectedName);
  if (!file.ok()) {
    report->problems.push_back(file.status().message());
  } else if (std::string_view(**file) != expected) {
    report->problems.push_back(store.Describe(kRejectedName) +
                               " does not hold the rejected images of the parts; run the "
                               "extraction again to write it anew");
  }
  return Status::OK();
}

}  // namespace

Result<VerifyReport> Verify(const io::Store& store, const Observer& observer,
                            std::stop_token stop) {
  ARROW_ASSIGN_OR_RAISE(const Dataset dataset, Dataset::Open(store));
  const Manifest& manifest = dataset.manifest();
  VerifyReport report;
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < dataset.num_parts(); ++i) {
    if (stop.stop_requested()) return Interrupted("verifying was stopped; nothing was changed");
    const std::string name = PartName(manifest.parts[i].key);
    ++report.parts;
    report.bytes += manifest.parts[i].bytes;
    auto part = dataset.ReadPart(i);
    if (!part.ok()) {
      report.problems.push_back(part.status().message());
      continue;
    }
    report.rows += static_cast<int64_t>(part->rows.size());
    report.rejected += static_cast<int64_t>(part->rejected.size());
    CheckFeatures(*part, name, &report);
    CheckPaths(*part, name, &seen, &report);
    observer.Report({"verifying", report.rows + report.rejected,
                     manifest.rows() + manifest.rejected(), report.rejected});
  }
  if (const auto removed = ReadRemoved(store, manifest); !removed.ok()) {
    report.problems.push_back(removed.status().message());
  }
  if (report.problems.empty()) ARROW_RETURN_NOT_OK(CheckRejectedFile(store, dataset, &report));
  ARROW_ASSIGN_OR_RAISE(report.leftovers, FindGarbage(store));
  return report;
}

}  // namespace pomona::dataset
