// What commands say of what they did, to a person and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "pomona/cli/console.h"
#include "pomona/cli/job.h"
#include "pomona/extract/extract.h"
#include "pomona/reduce/pca.h"

namespace pomona::cli {

// "50 images: 48 features of 1,280 numbers, 2 rejected" and what to look at.
void PrintExtract(const ExtractJob& job, const extract::ExtractReport& report, Console* console);
nlohmann::json ToJson(const ExtractJob& job, const extract::ExtractReport& report);

void PrintReduce(const reduce::Pca& pca, Console* console);
nlohmann::json ToJson(const reduce::Pca& pca);

}  // namespace pomona::cli
