#include "pomona/extract/featurize.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "pomona/base/hash.h"

namespace pomona::extract {
namespace {

// Twice as many as 64 gained 1 to 2 % more: what is left to gain is not worth the memory.
constexpr int64_t kMostInGroup = 128;

Rejection OutOfMemory() {
  return {Reason::kNoMemory, "this machine has not enough free memory to decode it", {}};
}

}  // namespace

size_t Featurizer::GroupSize(int64_t bytes, size_t remaining, int threads) const {
  const int64_t fit = bytes / (int64_t{3} * recipe_.width * recipe_.height);
  const auto share = static_cast<int64_t>(remaining) / (threads == 1 ? 1 : 2 * threads);
  return static_cast<size_t>(std::clamp<int64_t>(std::min(fit, share), 1, kMostInGroup));
}

Result<Outcome<Prepared>> Featurizer::DecodeAndPrepare(const io::Entry& entry,
                                                       const std::vector<uint8_t>& bytes) const {
  ARROW_ASSIGN_OR_RAISE(
      const auto decoded,
      Timed(
          profile_, "decode",
          [&] { return image::DecodeIn(sandbox_, bytes, limits_, recipe_.jpeg_policy); },
          entry.path));
  if (!decoded.ok()) return Outcome<Prepared>(decoded.rejection());
  const image::Image& pixels = decoded.value();
  Prepared out;
  out.row = {entry.path,
             entry.label,
             pixels.width,
             pixels.height,
             static_cast<int64_t>(bytes.size()),
             Xxh3Hex(bytes),
             entry.version,
             pixels.damage};
  out.image = image::Prepare(pixels, recipe_, profile_, entry.path);
  return Outcome<Prepared>(std::move(out));
}

Result<Outcome<Prepared>> Featurizer::Prepare(const io::Entry& entry,
                                              const Outcome<std::vector<uint8_t>>& bytes) const
    try {
  if (!bytes.ok()) return Outcome<Prepared>(bytes.rejection());
  return DecodeAndPrepare(entry, bytes.value());
} catch (const std::bad_alloc&) {
  return Outcome<Prepared>(OutOfMemory());
}

Result<Outcome<Prepared>> Featurizer::Prepare(const image::Image& decoded) const try {
  return Outcome<Prepared>(Prepared{{}, image::Prepare(decoded, recipe_, profile_)});
} catch (const std::bad_alloc&) {
  return Outcome<Prepared>(OutOfMemory());
}

Result<Outcome<Featurized>> Featurizer::Infer(Prepared prepared) const try {
  std::vector<float> feature(static_cast<size_t>(runner_->dimension()));
  ARROW_RETURN_NOT_OK(Timed(
      profile_, "infer", [&] { return runner_->Run(prepared.image.rgb, feature); },
      prepared.row.path));
  if (!std::all_of(feature.begin(), feature.end(), [](float v) { return std::isfinite(v); })) {
    return Outcome<Featurized>(
        Rejection{Reason::kNonFinite, "the network gave a NaN or an infinity for it", {}});
  }
  return Outcome<Featurized>(Featurized{std::move(prepared.row), std::move(feature)});
} catch (const std::bad_alloc&) {
  return Outcome<Featurized>(OutOfMemory());
}

}  // namespace pomona::extract
