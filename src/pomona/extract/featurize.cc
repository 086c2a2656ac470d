#include "pomona/extract/featurize.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "pomona/base/hash.h"

namespace pomona::extract {
namespace {

Rejection OutOfMemory() {
  return {Reason::kNoMemory, "this machine has not enough free memory to decode it", {}};
}

}  // namespace

Result<Outcome<Featurizer::Prepared>> Featurizer::Prepare(const io::Entry& entry,
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

Result<Outcome<std::vector<float>>> Featurizer::Infer(const image::Image& prepared,
                                                      const std::string& path) const {
  std::vector<float> feature(static_cast<size_t>(runner_->dimension()));
  ARROW_RETURN_NOT_OK(Timed(
      profile_, "infer", [&] { return runner_->Run(prepared.rgb, feature); }, path));
  if (!std::all_of(feature.begin(), feature.end(), [](float v) { return std::isfinite(v); })) {
    return Outcome<std::vector<float>>(
        Rejection{Reason::kNonFinite, "the network gave a NaN or an infinity for it", {}});
  }
  return Outcome<std::vector<float>>(std::move(feature));
}

Result<Outcome<Featurized>> Featurizer::Run(const io::Entry& entry,
                                            const Outcome<std::vector<uint8_t>>& bytes) const try {
  if (!bytes.ok()) return Outcome<Featurized>(bytes.rejection());
  ARROW_ASSIGN_OR_RAISE(auto prepared, Prepare(entry, bytes.value()));
  if (!prepared.ok()) return Outcome<Featurized>(prepared.rejection());
  ARROW_ASSIGN_OR_RAISE(auto feature, Infer(prepared.value().image, entry.path));
  if (!feature.ok()) return Outcome<Featurized>(feature.rejection());
  return Outcome<Featurized>(
      Featurized{std::move(prepared.value().row), std::move(feature).value()});
} catch (const std::bad_alloc&) {
  return Outcome<Featurized>(OutOfMemory());
}

Result<Outcome<std::vector<float>>> Featurizer::Run(const image::Image& decoded) const try {
  return Infer(image::Prepare(decoded, recipe_, profile_), {});
} catch (const std::bad_alloc&) {
  return Outcome<std::vector<float>>(OutOfMemory());
}

}  // namespace pomona::extract
