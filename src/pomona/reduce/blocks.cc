#include "pomona/reduce/blocks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pomona/base/cbor.h"
#include "pomona/reduce/pca_files.h"

namespace pomona::reduce {
namespace {

using nlohmann::json;

// Parts are multiplied into one matrix until they have so many rows for each column, before that
// matrix is added to the total: the more, the less adding costs beside multiplying
// (MomentsOfBlocks in pca_bench), the fewer, the more evenly the threads are busy. So blocks are
// large at first and in the end a part each.
constexpr int64_t kMostRowsPerColumn = 4;
constexpr int64_t kShare = 4;  // of the rows that are left, one block has at most 1 / kShare

// The moments of a block are dimension^2 / 2 numbers, which on a cluster go to the driver one block
// after the other: more blocks than this keep it longer than they save (docs/cluster.md).
constexpr int64_t kMostBlocks = 256;

// From so many rows on multiplying them, which threads do side by side, costs more than adding two
// matrices, which they do one after the other (MergePart in pca_bench).
constexpr int64_t kFoldRows = 256;

int64_t MemoryOf(const dataset::Dataset& dataset) {
  constexpr int64_t kTexts = 128;  // of a row, about
  const auto row = static_cast<int64_t>(sizeof(dataset::Row) + kTexts);
  return dataset.rows() * (row + dataset.dimension() * static_cast<int64_t>(sizeof(float)));
}

Status CheckFinite(const Moments& moments, const dataset::PartEntry& part) {
  const std::vector<double> mean = moments.mean();
  if (std::all_of(mean.begin(), mean.end(), [](double m) { return std::isfinite(m); })) {
    return Status::OK();
  }
  return Status::Invalid(dataset::kFeaturesFolder, "/", dataset::PartName(part.key),
                         " holds a feature that is not finite: delete features/ and run "
                         "`pomona extract` again");
}

json ToJson(const Projected& part) {
  json labels = json::array();
  json paths = json::array();
  for (const dataset::Row& row : part.rows) {
    paths.push_back(row.path);
    labels.push_back(row.label ? json(*row.label) : json());
  }
  return {{"paths", paths},
          {"labels", labels},
          {"values", BinaryNumbers(part.values)},
          {"count", part.values.size()}};
}

Projected ProjectedFromJson(const json& j) {
  Projected part;
  for (const json& path : j.at("paths")) {
    part.rows.emplace_back().path = path.get<std::string>();
    const json& label = j.at("labels").at(part.rows.size() - 1);
    if (!label.is_null()) part.rows.back().label = label.get<std::string>();
  }
  part.values = FromBinaryNumbers<std::vector<double>>(j.at("values"), j.at("count").get<size_t>());
  return part;
}

}  // namespace

std::vector<Block> Blocks(const dataset::Dataset& dataset) {
  const int64_t fewest = dataset.rows() / kMostBlocks;
  const int64_t most = std::max(kMostRowsPerColumn * dataset.dimension(), fewest);
  std::vector<Block> blocks;
  int64_t left = dataset.rows();
  int64_t full = 0;
  for (size_t i = 0; i < dataset.num_parts(); ++i) {
    if (blocks.empty() || blocks.back().rows >= full) {
      full = std::clamp(left / kShare, fewest, most);
      blocks.push_back({i, i, 0});
    }
    const int64_t rows = dataset.manifest().parts[i].rows;
    ++blocks.back().last;
    blocks.back().rows += rows;
    left -= rows;
  }
  return blocks;
}

Parts::Parts(const dataset::Dataset& dataset, int64_t bytes)
    : dataset_(dataset), keep_(MemoryOf(dataset) <= bytes), kept_(dataset.num_parts()) {}

Result<std::shared_ptr<const dataset::Part>> Parts::Read(size_t i) {
  ARROW_ASSIGN_OR_RAISE(dataset::Part read, dataset_.ReadPart(i));
  auto part = std::make_shared<dataset::Part>(std::move(read));
  if (keep_) kept_[i] = part;
  return part;
}

Result<dataset::Part> Parts::Take(size_t i) {
  if (kept_[i] == nullptr) return dataset_.ReadPart(i);
  return std::move(*std::exchange(kept_[i], nullptr));
}

Moments Parts::NewMoments() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return Moments(dataset_.dimension());
  Moments moments = std::move(spare_.back());
  spare_.pop_back();
  return moments;
}

void Parts::Return(Moments empty) {
  const std::lock_guard lock(mutex_);
  spare_.push_back(std::move(empty));
}

void Parts::FreeMoments() {
  const std::lock_guard lock(mutex_);
  spare_.clear();
}

Result<Moments> MomentsOfBlock(Parts* parts, const Block& block, const std::stop_token& stop) {
  const dataset::Dataset& dataset = parts->dataset();
  Moments moments = parts->NewMoments();
  for (size_t i = block.first; i < block.last; ++i) {
    if (stop.stop_requested()) return Stopped();
    ARROW_ASSIGN_OR_RAISE(const auto part, parts->Read(i));
    moments.Add(part->features.data(), static_cast<int64_t>(part->rows.size()));
    ARROW_RETURN_NOT_OK(CheckFinite(moments, dataset.manifest().parts[i]));
  }
  const bool many = dataset.rows() > dataset.dimension() / 2;
  if (many && block.rows >= kFoldRows) moments.Fold();
  return moments;
}

Result<Projected> ProjectPart(Parts* parts, size_t part, const Pca& pca) {
  ARROW_ASSIGN_OR_RAISE(dataset::Part taken, parts->Take(part));
  const auto rows = static_cast<int64_t>(taken.rows.size());
  return Projected{std::move(taken.rows), pca.Project(taken.features.data(), rows)};
}

std::string ToBytes(const Pca& pca) {
  return ToCbor({{"model", ToJson(pca)}, {"components", BinaryNumbers(pca.components)}});
}

Result<Pca> PcaFromBytes(std::string_view bytes) {
  return FromCbor(bytes, "principal components", [](const json& j) {
    Pca pca = PcaFromJson(j.at("model"));
    pca.components = FromBinaryNumbers<std::vector<double>>(
        j.at("components"), static_cast<size_t>(pca.k) * static_cast<size_t>(pca.dimension));
    return pca;
  });
}

std::string ToBytes(const std::vector<Projected>& parts) {
  json out = json::array();
  for (const Projected& part : parts) out.push_back(ToJson(part));
  return ToCbor(out);
}

Result<std::vector<Projected>> ProjectedFromBytes(std::string_view bytes) {
  return FromCbor(bytes, "projected parts", [](const json& j) {
    std::vector<Projected> parts;
    for (const json& part : j) parts.push_back(ProjectedFromJson(part));
    return parts;
  });
}

}  // namespace pomona::reduce
