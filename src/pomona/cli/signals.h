// Ctrl-C and kill: the first asks the work to stop, the second ends the process.
#pragma once

#include <stop_token>

namespace pomona::cli {

// Ignores SIGPIPE and SIGXFSZ (writes then fail with EPIPE and EFBIG, which are reported) and
// hands SIGINT and SIGTERM to a thread that requests a stop. Call once, before any other thread is
// started. A second signal exits at once with 130.
std::stop_token HandleSignals();

}  // namespace pomona::cli
