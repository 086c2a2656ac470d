#pragma once

#include <string>

namespace pomona {

// So many random digits out of 0-9a-f, from the system's source.
std::string RandomHex(int digits);

}  // namespace pomona
