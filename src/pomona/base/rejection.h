// Why an image has no feature. Every image that is listed ends as a row of features or as a
// Rejection; nothing is dropped, zeroed or skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "pomona/base/status.h"

namespace pomona {

enum class Reason {
  kMissing,            // listed (or named by a manifest) but not there
  kUnreadable,         // the operating system or the store refuses to give the bytes
  kNotAFile,           // a pipe, device or socket under an image's name
  kChanged,            // replaced or still being written while the run read it
  kDuplicate,          // the same path a second time in one source
  kEmpty,              // zero bytes
  kNotAnImage,         // the bytes are of no image format known here
  kUnsupportedFormat,  // an image format, or a variant of one, that is not decoded here
  kTruncated,          // the image data end too early
  kCorrupt,            // the image data contradict themselves
  kTooLarge,           // over a limit (pixels, bytes, scans), told from the header
  kNoMemory,           // within the limits, but the machine had no memory left for it
  kDecoderCrashed,     // with --sandbox: the process that decoded it died or took too long, twice
  kNonFinite,          // the network gave a NaN or an infinity
};

// "missing", "unreadable", "not_a_file" ...: the spelling in rejected.parquet.
std::string_view ReasonName(Reason reason);
Result<Reason> ParseReason(std::string_view name);

// Whether a later run may well succeed on the same version of the image: such an image is tried
// again by every run, the others only when they change.
bool IsTransient(Reason reason);

struct Rejection {
  Reason reason;
  std::string detail;                  // one clause for a person, no path in it
  std::optional<int64_t> byte_offset;  // where in the file, when known
  // kTooLarge: the number of pixels or bytes that was over its limit; 0 if that is not why. A run
  // with a limit that allows it tries again.
  int64_t pixels = 0;
  int64_t bytes = 0;

  bool operator==(const Rejection&) const = default;
};

// A value, or why there is none.
template <typename T>
class Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}                  // NOLINT
  Outcome(Rejection rejection) : state_(std::in_place_index<1>, std::move(rejection)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  const T& value() const& { return std::get<0>(state_); }
  T& value() & { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  const Rejection& rejection() const { return std::get<1>(state_); }

 private:
  std::variant<T, Rejection> state_;
};

}  // namespace pomona
