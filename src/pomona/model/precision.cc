#include "pomona/model/precision.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "pomona/base/names.h"
#include "pomona/base/text.h"

namespace pomona::model {
namespace {

constexpr Names<Precision, 3> kNames = {{
    {Precision::kF32, "f32"},
    {Precision::kBf16, "bf16"},
    {Precision::kInt8, "int8"},
}};

}  // namespace

Result<Precision> ParsePrecision(std::string_view text) {
  if (const auto precision = ValueOf(kNames, text)) return *precision;
  return UsageError("precision " + Quoted(text) + " is not known: use f32, bf16, int8 or auto");
}

std::string ToString(Precision precision) { return std::string(NameOf(kNames, precision)); }

CpuFeatures ThisCpu() {
  CpuFeatures cpu;
#if defined(__x86_64__)
  // Intel Software Developer's Manual, CPUID. Leaf 7.0: ECX bit 11 AVX512-VNNI, EDX bits 22 and 25
  // AMX-BF16 and AMX-INT8. Leaf 7.1: EAX bits 4 and 5 AVX-VNNI and AVX512-BF16.
  const auto bit = [](unsigned word, int i) { return (word >> i & 1) != 0; };
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    cpu.bf16 = bit(d, 22);
    cpu.vnni = bit(c, 11) || bit(d, 25);
  }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    cpu.bf16 = cpu.bf16 || bit(a, 5);
    cpu.vnni = cpu.vnni || bit(a, 4);
  }
#endif
  return cpu;
}

Status CheckCpu(Precision precision, const CpuFeatures& cpu) {
  if (precision == Precision::kBf16 && !cpu.bf16) {
    return UsageError(
        "precision bf16 needs a CPU with AVX512-BF16 or AMX-BF16, which this one has not: use f32");
  }
  if (precision == Precision::kInt8 && !cpu.vnni) {
    return UsageError(
        "precision int8 needs a CPU with AVX512-VNNI, AVX-VNNI or AMX-INT8, which this one has "
        "not, and without it int8 sums overflow and features are wrong: use f32");
  }
  return Status::OK();
}

}  // namespace pomona::model
