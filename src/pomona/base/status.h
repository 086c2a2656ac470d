// What can go wrong, in one vocabulary: Arrow's Status and Result, with the two kinds of failure
// that the command line answers with an exit code of their own.
#pragma once

#include <string>

#include <arrow/result.h>
#include <arrow/status.h>

namespace pomona {

using arrow::Result;
using arrow::Status;

// The caller asked for something that cannot be meant (exit code 2).
Status UsageError(std::string message);
bool IsUsageError(const Status& status);

// The source is missing, empty, or holds no image (exit code 3).
Status NothingToRead(std::string message);
bool IsNothingToRead(const Status& status);

// Somebody else was faster: what was to be replaced is no longer what it was when this work began.
// Nothing was written over; doing the same again starts from what is there now.
Status Conflict(std::string message);
bool IsConflict(const Status& status);

// Stopped on request; what is finished stays finished (exit code 130). Any Status::Cancelled.
Status Interrupted(std::string message);

// `error` with "context: " before its message, keeping its code and kind.
Status WithContext(const Status& error, const std::string& context);

}  // namespace pomona
