#include "pomona/base/rejection.h"

#include <array>

namespace pomona {
namespace {

constexpr std::array<std::pair<Reason, std::string_view>, 14> kNames = {{
    {Reason::kMissing, "missing"},
    {Reason::kUnreadable, "unreadable"},
    {Reason::kNotAFile, "not_a_file"},
    {Reason::kChanged, "changed"},
    {Reason::kDuplicate, "duplicate"},
    {Reason::kEmpty, "empty"},
    {Reason::kNotAnImage, "not_an_image"},
    {Reason::kUnsupportedFormat, "unsupported_format"},
    {Reason::kTruncated, "truncated"},
    {Reason::kCorrupt, "corrupt"},
    {Reason::kTooLarge, "too_large"},
    {Reason::kNoMemory, "no_memory"},
    {Reason::kDecoderCrashed, "decoder_crashed"},
    {Reason::kNonFinite, "non_finite"},
}};

}  // namespace

std::string_view ReasonName(Reason reason) {
  for (const auto& [value, name] : kNames) {
    if (value == reason) return name;
  }
  return "unknown";
}

Result<Reason> ParseReason(std::string_view name) {
  for (const auto& [value, spelling] : kNames) {
    if (spelling == name) return value;
  }
  return Status::Invalid("unknown rejection reason '", name, "'");
}

bool IsTransient(Reason reason) {
  return reason == Reason::kMissing || reason == Reason::kUnreadable ||
         reason == Reason::kChanged || reason == Reason::kNoMemory;
}

}  // namespace pomona
