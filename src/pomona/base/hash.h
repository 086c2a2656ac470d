// Hashes: XXH3-128 for identity of content and of parts (fast, not for security), SHA-256 for
// weights (checked against what a publisher states).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "pomona/base/status.h"

namespace pomona {

// 32 lower-case hex digits of the XXH3-128 of `bytes`, in the canonical (big-endian) order that
// `xxh128sum` prints.
std::string Xxh3Hex(std::span<const uint8_t> bytes);
std::string Xxh3Hex(std::string_view text);

// 64 lower-case hex digits of the SHA-256 of `bytes`, or of a whole file read in blocks.
std::string Sha256Hex(std::span<const uint8_t> bytes);
Result<std::string> Sha256File(const std::filesystem::path& path);
// 32 lower-case hex digits of a file's MD5: only for checksums that publishers state as MD5.
Result<std::string> Md5File(const std::filesystem::path& path);

}  // namespace pomona
