#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "pomona/base/text.h"
#include "pomona/model/runner.h"

namespace pomona::model {
namespace {

// Whether this CPU multiplies bfloat16 itself: AMX-BF16 (leaf 7.0, EDX bit 22) or AVX512-BF16 (leaf
// 7.1, EAX bit 5; Intel Software Developer's Manual, CPUID). Elsewhere it would be slower than f32.
bool HasBf16() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1) != 0) return true;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0;
#else
  return false;
#endif
}

}  // namespace

Result<Precision> ParsePrecision(std::string_view text) {
  if (text == "f32") return Precision::kF32;
  if (text != "bf16") {
    return UsageError("precision " + Quoted(text) + " is not known: use f32 or bf16");
  }
  if (!HasBf16()) {
    return UsageError(
        "precision bf16 needs a CPU with AVX512-BF16 or AMX-BF16, which this one has not: use f32");
  }
  return Precision::kBf16;
}

std::string ToString(Precision precision) { return precision == Precision::kBf16 ? "bf16" : "f32"; }

}  // namespace pomona::model
