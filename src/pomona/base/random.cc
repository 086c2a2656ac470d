#include "pomona/base/random.h"

#include <random>

namespace pomona {

std::string RandomHex(int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string hex;
  for (int i = 0; i < digits; ++i) hex += kDigits[random() % 16];
  return hex;
}

}  // namespace pomona
