// Small helpers for text that people read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pomona {

bool IsUtf8(std::string_view bytes);

// `bytes` as valid UTF-8 on which no information is lost: every byte that is not part of valid
// UTF-8 becomes \xHH. Text that is UTF-8 already comes back unchanged.
std::string ToUtf8(std::string_view bytes);

// A path or name for a one-line message: control characters as \n, \t or \xHH, in single quotes
// when it holds spaces or anything escaped.
std::string Quoted(std::string_view name);

std::string WithThousands(int64_t n);                     // 20,622
std::string Counted(int64_t n, const std::string& noun);  // 1 image, 20,622 images
std::string HumanBytes(int64_t bytes);                    // 18.7 MB (powers of 1,000)
std::string HumanDuration(double seconds);                // 4.2 s, 3 min 20 s, 2 h 05 min

}  // namespace pomona
