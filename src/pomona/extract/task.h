// Parts and their results as bytes, for tasks in other processes (CBOR, RFC 8949).
#pragma once

#include <string>
#include <string_view>

#include "pomona/base/status.h"
#include "pomona/extract/extract.h"
#include "pomona/extract/plan.h"

namespace pomona::extract {

// All that ComputeParts needs to know of a part.
std::string ToBytes(const PlannedPart& part);
Result<PlannedPart> PlannedPartFromBytes(std::string_view bytes);

// What Extraction::Finish needs to know of a part that was computed.
std::string ToBytes(const ComputedPart& computed);
Result<ComputedPart> ComputedPartFromBytes(std::string_view bytes);

}  // namespace pomona::extract
