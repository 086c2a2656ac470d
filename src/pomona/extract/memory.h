// What a bound on memory means for an extraction.
#pragma once

#include <cstdint>

#include "pomona/base/status.h"
#include "pomona/extract/extract.h"
#include "pomona/model/runner.h"

namespace pomona::extract {

// Decoded pixels, the coefficients of a progressive JPEG and a copy to turn it take up to so much
// for each pixel (bad_images.test decodes such a file under --memory).
inline constexpr int64_t kBytesPerPixel = 12;

// Lowers options->limits, group_bytes and read_ahead_bytes to what fits: `memory` bytes less what
// the process takes once every thread has run `runner` and the processes of the sandbox, less the
// parts being built. UsageError that says how much it takes if images of one megapixel would not
// fit.
Status FitMemory(int64_t memory, model::Runner* runner, ExtractOptions* options);

}  // namespace pomona::extract
