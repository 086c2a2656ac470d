// Another program, run to its end.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "pomona/base/status.h"

namespace pomona::precision {

// Runs `command` (a program's path and its arguments) with stdin empty and its output in `log`.
// Gives the exit code, or 128 + the signal that ended it. An error if it cannot be started;
// Cancelled, with the program ended, when stopped.
Result<int> RunProcess(const std::vector<std::string>& command, const std::filesystem::path& log,
                       const std::stop_token& stop);

}  // namespace pomona::precision
