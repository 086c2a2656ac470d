// One image that is a file of its own on the local disk: what a folder and a CSV manifest share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pomona/io/source.h"

namespace pomona::io {

// Fills in size, version and, where it cannot be read, the rejection of `entry` from the file
// `name`, which is absolute or relative to the open folder `folder_fd`. Follows links; opens
// nothing.
void InspectFile(int folder_fd, const std::string& name, Entry* entry);

// Source::Read of the file at `path`, listed as `entry`.
Outcome<std::vector<uint8_t>> ReadFile(const std::string& path, const Entry& entry,
                                       int64_t max_bytes);

}  // namespace pomona::io
