// A worker of the sandbox, from inside. Internal to this room.
#pragma once

#include <cstdint>

#include "pomona/image/sandbox.h"

namespace pomona::image {

// What a process may take that decodes within `limits`, beside what this one has mapped.
int64_t WorkerMemory(const DecodeLimits& limits);

// Gives up every right of this process, then answers requests on descriptor `socket`, the only one
// that is open, until its other end is closed. `memory`: most bytes of address space.
[[noreturn]] void Serve(int socket, const SandboxOptions& options, int64_t memory);

}  // namespace pomona::image
