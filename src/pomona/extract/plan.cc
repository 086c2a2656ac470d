#include "pomona/extract/plan.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "pomona/base/hash.h"

namespace pomona::extract {
namespace {

using dataset::Dataset;
using dataset::Part;

// Identifies an image across listings: its path, and for the second and further images under one
// path which of them it is.
class ImageIds {
 public:
  std::string Next(const std::string& path, bool duplicate) {
    return duplicate ? path + '\0' + std::to_string(++duplicates_[path]) : path;
  }

 private:
  std::unordered_map<std::string, int> duplicates_;
};

bool IsDuplicate(const std::optional<Rejection>& rejection) {
  return rejection && rejection->reason == Reason::kDuplicate;
}

// The images of the source that no committed part has accounted for yet.
class Pending {
 public:
  explicit Pending(const io::Listing& listing) {
    ImageIds ids;
    for (const io::Entry& entry : listing.entries) {
      images_.emplace(ids.Next(entry.path, IsDuplicate(entry.rejected)), PlannedEntry{entry, 0});
    }
  }

  enum class Match { kSame, kReplaced, kGone };

  template <typename Committed>  // dataset::Row or dataset::Rejected
  Match Find(const std::string& id, const Committed& committed) const {
    const auto found = images_.find(id);
    if (found == images_.end()) return Match::kGone;
    const io::Entry& entry = found->second.entry;
    const bool same = entry.size == committed.bytes && entry.version == committed.version &&
                      entry.label == committed.label;
    return same ? Match::kSame : Match::kReplaced;
  }

  void Done(const std::string& id) { images_.erase(id); }
  void Retry(const std::string& id, int attempt) { images_.at(id).attempt = attempt; }

  std::vector<PlannedEntry> SortedByPath() && {
    std::vector<std::pair<std::string, PlannedEntry>> sorted;
    sorted.reserve(images_.size());
    for (auto& [id, image] : images_) sorted.emplace_back(id, std::move(image));
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<PlannedEntry> out;
    out.reserve(sorted.size());
    for (auto& [id, image] : sorted) out.push_back(std::move(image));
    return out;
  }

 private:
  std::unordered_map<std::string, PlannedEntry> images_;
};

// Hashes the identity of a part's images; each field is length-delimited by JSON.
class PartKey {
 public:
  explicit PartKey(const std::string& contract) { fields_.push_back(contract); }

  void Add(const std::string& path, const std::optional<std::string>& label, int64_t size,
           const std::string& version, int attempt) {
    fields_.push_back(
        {path, label ? nlohmann::json(*label) : nlohmann::json(), size, version, attempt});
  }
  std::string Hex() const { return Xxh3Hex(fields_.dump()); }

 private:
  nlohmann::json fields_ = nlohmann::json::array();
};

// Sorts one committed part into what is still true and what is not.
class PartCheck {
 public:
  PartCheck(const Part& part, const image::DecodeLimits& limits, Pending* pending, ImageIds* ids,
            Plan* plan)
      : pending_(pending), plan_(plan) {
    for (size_t i = 0; i < part.rows.size(); ++i) {
      if (Survives(ids->Next(part.rows[i].path, false), part.rows[i])) rows_.push_back(i);
    }
    for (size_t i = 0; i < part.rejected.size(); ++i) {
      const dataset::Rejected& rejected = part.rejected[i];
      const bool duplicate = rejected.why.reason == Reason::kDuplicate;
      const std::string id = ids->Next(rejected.path, duplicate);
      if (MayPassNow(rejected.why, limits) &&
          pending->Find(id, rejected) == Pending::Match::kSame) {
        pending->Retry(id, rejected.attempt + 1);
      } else if (Survives(id, rejected)) {
        rejected_.push_back(i);
      }
    }
    whole_ = rows_.size() == part.rows.size() && rejected_.size() == part.rejected.size();
  }

  bool whole() const { return whole_; }
  bool empty() const { return rows_.empty() && rejected_.empty(); }

  CarriedPart Carry(size_t from, const Part& part, const std::string& contract) && {
    PartKey key(contract);
    for (size_t i : rows_) {
      const dataset::Row& row = part.rows[i];
      key.Add(row.path, row.label, row.bytes, row.version, 0);
    }
    for (size_t i : rejected_) {
      const dataset::Rejected& r = part.rejected[i];
      key.Add(r.path, r.label, r.bytes, r.version, r.attempt);
    }
    return {key.Hex(), from, std::move(rows_), std::move(rejected_)};
  }

 private:
  static bool MayPassNow(const Rejection& why, const image::DecodeLimits& limits) {
    if (IsTransient(why.reason)) return true;
    const bool pixels_pass = why.pixels > 0 && why.pixels <= limits.max_pixels;
    const bool bytes_pass = why.bytes > 0 && why.bytes <= limits.max_bytes;
    return why.reason == Reason::kTooLarge && (pixels_pass || bytes_pass);
  }

  static std::string ContentOf(const dataset::Row& row) { return row.content; }
  static std::string ContentOf(const dataset::Rejected&) { return {}; }

  template <typename Committed>
  bool Survives(const std::string& id, const Committed& committed) {
    switch (pending_->Find(id, committed)) {
      case Pending::Match::kSame:
        pending_->Done(id);
        return true;
      case Pending::Match::kReplaced:
        ++plan_->replaced;
        return false;
      case Pending::Match::kGone:
        plan_->removed.push_back({committed.path, committed.label, committed.bytes,
                                  committed.version, ContentOf(committed)});
        return false;
    }
    return false;
  }

  Pending* pending_;
  Plan* plan_;
  std::vector<size_t> rows_;
  std::vector<size_t> rejected_;
  bool whole_ = false;
};

Status PlanCommitted(const Dataset& committed, const std::string& contract,
                     const image::DecodeLimits& limits, Pending* pending, Plan* plan) {
  ImageIds ids;
  for (size_t i = 0; i < committed.num_parts(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const Part part, committed.ReadRows(i));
    PartCheck check(part, limits, pending, &ids, plan);
    if (check.whole()) {
      plan->kept.push_back(i);
    } else if (!check.empty()) {
      plan->carried.push_back(std::move(check).Carry(i, part, contract));
    }
  }
  return Status::OK();
}

void CutIntoParts(std::vector<PlannedEntry> entries, const std::string& contract,
                  int64_t part_images, Plan* plan) {
  for (size_t at = 0; at < entries.size(); at += static_cast<size_t>(part_images)) {
    const size_t end = std::min(entries.size(), at + static_cast<size_t>(part_images));
    PlannedPart part;
    PartKey key(contract);
    for (size_t i = at; i < end; ++i) {
      const io::Entry& e = entries[i].entry;
      key.Add(e.path, e.label, e.size, e.version, entries[i].attempt);
      part.entries.push_back(std::move(entries[i]));
    }
    part.key = key.Hex();
    plan->compute.push_back(std::move(part));
  }
}

// Of images removed twice the latest removal counts.
void MergeRemoved(const io::Listing& listing, std::vector<dataset::Removed> before, Plan* plan) {
  std::unordered_set<std::string_view> known;
  for (const io::Entry& entry : listing.entries) known.insert(entry.path);
  for (const dataset::Removed& removed : plan->removed) known.insert(removed.path);
  std::erase_if(before, [&](const dataset::Removed& r) { return known.contains(r.path); });
  plan->removed_now = static_cast<int64_t>(plan->removed.size());
  plan->removed.insert(plan->removed.end(), before.begin(), before.end());
}

}  // namespace

int64_t Plan::to_compute() const {
  int64_t n = 0;
  for (const PlannedPart& part : compute) n += static_cast<int64_t>(part.entries.size());
  return n;
}

Result<Plan> MakePlan(const io::Listing& listing, const Dataset* committed,
                      std::vector<dataset::Removed> removed_before, const std::string& contract,
                      const PlanOptions& options) {
  if (options.part_images < 1) return UsageError("a part must have at least one image");
  Plan plan;
  plan.listed = static_cast<int64_t>(listing.entries.size());
  Pending pending(listing);
  if (committed != nullptr) {
    ARROW_RETURN_NOT_OK(PlanCommitted(*committed, contract, options.limits, &pending, &plan));
  }
  MergeRemoved(listing, std::move(removed_before), &plan);
  CutIntoParts(std::move(pending).SortedByPath(), contract, options.part_images, &plan);
  return plan;
}

}  // namespace pomona::extract
