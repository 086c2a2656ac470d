#include "pomona/model/precision.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pomona::model {
namespace {

using ::testing::HasSubstr;

constexpr Precision kAll[] = {Precision::kF32, Precision::kBf16, Precision::kInt8};

TEST(PrecisionTest, NamesAreReadBack) {
  for (const Precision precision : kAll) {
    const auto read = ParsePrecision(ToString(precision));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, precision);
  }
  for (const char* bad : {"int7", "", "F32", "auto ", "f32 "}) {
    const Status status = ParsePrecision(bad).status();
    EXPECT_TRUE(IsUsageError(status)) << bad;
    EXPECT_THAT(status.message(), HasSubstr("f32, bf16, int8 or auto"));
  }
}

TEST(PrecisionTest, EachNeedsItsOwnCpuFeature) {
  const auto allowed = [](const CpuFeatures& cpu) {
    std::string text;
    for (const Precision precision : kAll) {
      if (CheckCpu(precision, cpu).ok()) text += ToString(precision) + " ";
    }
    return text;
  };
  EXPECT_EQ(allowed({}), "f32 ");
  EXPECT_EQ(allowed({.bf16 = true}), "f32 bf16 ");
  EXPECT_EQ(allowed({.vnni = true}), "f32 int8 ");
  EXPECT_EQ(allowed({.bf16 = true, .vnni = true}), "f32 bf16 int8 ");
  EXPECT_THAT(CheckCpu(Precision::kInt8, {}).message(), HasSubstr("AVX512-VNNI, AVX-VNNI"));
  EXPECT_THAT(CheckCpu(Precision::kBf16, {}).message(), HasSubstr("AVX512-BF16"));
}

// The kernel reads CPUID too.
TEST(PrecisionTest, ThisCpuIsTheKernels) {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  while (std::getline(in, line) && !line.starts_with("flags")) continue;
  if (line.empty()) GTEST_SKIP() << "/proc/cpuinfo has no flags here";
  line += " ";
  const auto has = [&](const char* flag) {
    return line.find(std::string(" ") + flag + " ") != std::string::npos;
  };
  EXPECT_EQ(ThisCpu().bf16, has("avx512_bf16") || has("amx_bf16"));
  EXPECT_EQ(ThisCpu().vnni, has("avx512_vnni") || has("avx_vnni") || has("amx_int8"));
}

}  // namespace
}  // namespace pomona::model
