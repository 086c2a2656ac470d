// --precision auto, and what it shows.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"
#include "pomona/cli/command.h"
#include "pomona/cli/job.h"

namespace pomona::cli {

// If --precision auto was given: puts the runner of the chosen precision into `job` and what was
// found into its options. A dataset that is there already keeps its precision, so that a later run
// adds to it whatever it would find itself. Gives the listing of the source if it made one.
Result<std::optional<io::Listing>> ChoosePrecision(ExtractJob* job, Context* context);

// What auto found, as a table; nothing if it was not asked for.
void PrintChoice(const ExtractJob& job, Console* console);
// The same with speeds, or null.
nlohmann::json ChoiceJson(const ExtractJob& job);

}  // namespace pomona::cli
