#include "pomona/base/rejection.h"

#include "pomona/base/names.h"

namespace pomona {
namespace {

constexpr Names<Reason, 14> kNames = {{
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

std::string_view ReasonName(Reason reason) { return NameOf(kNames, reason); }

Result<Reason> ParseReason(std::string_view name) {
  if (const auto reason = ValueOf(kNames, name)) return *reason;
  return Status::Invalid("unknown rejection reason '", name, "'");
}

bool IsTransient(Reason reason) {
  return reason == Reason::kMissing || reason == Reason::kUnreadable ||
         reason == Reason::kChanged || reason == Reason::kNoMemory;
}

}  // namespace pomona
