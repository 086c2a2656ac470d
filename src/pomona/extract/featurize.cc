#include "pomona/extract/featurize.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "pomona/base/hash.h"

namespace pomona::extract {
namespace {

struct Prepared {
  dataset::Row row;
  image::Image image;
};

Outcome<Prepared> ReadAndPrepare(const io::Source& source, const io::Entry& entry,
                                 const image::Recipe& recipe, const image::DecodeLimits& limits) {
  if (entry.rejected) return *entry.rejected;
  const auto bytes = source.Read(entry, limits.max_bytes);
  if (!bytes.ok()) return bytes.rejection();
  const auto decoded = image::Decode(bytes.value(), limits);
  if (!decoded.ok()) return decoded.rejection();
  const image::Image& pixels = decoded.value();
  Prepared out;
  out.row = {entry.path,
             entry.label,
             pixels.width,
             pixels.height,
             static_cast<int64_t>(bytes.value().size()),
             Xxh3Hex(bytes.value()),
             entry.version};
  out.image = image::Prepare(pixels, recipe);
  return out;
}

}  // namespace

Result<Outcome<Featurized>> Featurizer::Run(const io::Entry& entry) const try {
  Outcome<Prepared> prepared = ReadAndPrepare(source_, entry, recipe_, limits_);
  if (!prepared.ok()) return Outcome<Featurized>(prepared.rejection());
  Featurized out;
  out.row = std::move(prepared.value().row);
  out.feature.resize(static_cast<size_t>(runner_->dimension()));
  ARROW_RETURN_NOT_OK(runner_->Run(prepared.value().image.rgb, out.feature));
  if (!std::all_of(out.feature.begin(), out.feature.end(),
                   [](float v) { return std::isfinite(v); })) {
    return Outcome<Featurized>(
        Rejection{Reason::kNonFinite, "the network gave a NaN or an infinity for it", {}});
  }
  return Outcome<Featurized>(std::move(out));
} catch (const std::bad_alloc&) {
  return Outcome<Featurized>(
      Rejection{Reason::kTooLarge, "this machine has not enough free memory to decode it", {}});
}

}  // namespace pomona::extract
