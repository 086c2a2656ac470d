#include "pomona/precision/agreement.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "pomona/testing/npz.h"

namespace pomona::precision {
namespace {

const std::string kGolden = POMONA_SOURCE_DIR "/tests/golden/";

// tests/golden/make_agreement.py: scikit-learn 1.9 and SciPy 1.17. The cosines to 1e-9; angles to
// 1e-5 degrees, as SciPy's are found from float64 components that agree to about 1e-8.
void ExpectGolden(const Agreement& got, const std::string& name) {
  const testing::NpyArray golden = testing::LoadNpz(kGolden + "agreement.npz", name);
  const double* want = golden.data<double>();
  EXPECT_NEAR(got.mean_cosine, want[0], 1e-9);
  EXPECT_NEAR(got.min_cosine, want[1], 1e-9);
  EXPECT_NEAR(got.neighbours_kept, want[2], 1e-12);
  EXPECT_NEAR(got.subspace_degrees, want[3], 1e-5);
}

std::vector<float> Features() {
  const testing::NpyArray features =
      testing::LoadNpz(kGolden + "features.npz", "efficientnet_lite0");
  return {features.data<float>(), features.data<float>() + 50 * 1280};
}

TEST(AgreementTest, OfFeaturesCutToBfloat16) {
  const std::vector<float> features = Features();
  std::vector<float> cut = features;
  for (float& v : cut) v = std::bit_cast<float>(std::bit_cast<uint32_t>(v) & 0xFFFF0000U);
  const auto got = Compare(features, cut, 1280);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->images, 50);
  ExpectGolden(*got, "truncated");
}

TEST(AgreementTest, OfNoisyNumbers) {
  constexpr size_t kRows = 300, kColumns = 40;
  std::vector<float> drawn;
  uint32_t state = 1;
  for (size_t i = 0; i < 2 * kRows * kColumns; ++i) {
    state = state * 1664525U + 1013904223U;
    drawn.push_back(static_cast<float>(state >> 22) / 1024);
  }
  std::vector<float> a(kRows * kColumns), b(kRows * kColumns);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = drawn[i] * static_cast<float>(i % kColumns + 1);
    b[i] = a[i] + drawn[a.size() + i] / 2;
  }
  const auto got = Compare(a, b, kColumns);
  ASSERT_TRUE(got.ok()) << got.status();
  ExpectGolden(*got, "noisy");
}

TEST(AgreementTest, OfThemselvesIsWhole) {
  const std::vector<float> features = Features();
  const auto got = Compare(features, features, 1280);
  ASSERT_TRUE(got.ok());
  EXPECT_NEAR(got->min_cosine, 1, 1e-14);
  EXPECT_EQ(got->neighbours_kept, 1);
  EXPECT_LT(got->subspace_degrees, 1e-6);
}

// Features that live in columns of their own have nothing in common.
TEST(AgreementTest, OfStrangersIsNothing) {
  constexpr int kColumns = 16;
  std::vector<float> a(40 * kColumns), b(40 * kColumns);
  uint32_t state = 7;
  for (size_t i = 0; i < a.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    const auto value = static_cast<float>(state >> 22) / 512 - 1;
    (i % kColumns < 8 ? a : b)[i] = value;
  }
  const auto got = Compare(a, b, kColumns);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->mean_cosine, 0);
  EXPECT_NEAR(got->subspace_degrees, 90, 1e-6);
  EXPECT_FALSE(IsInside(*got, {}));
}

TEST(AgreementTest, FewImagesZerosAndConstantsAreNoTrap) {
  const std::vector<float> zeros(12, 0);
  const auto same = Compare(zeros, zeros, 4);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->min_cosine, 1);
  EXPECT_EQ(same->neighbours_kept, 1);
  EXPECT_EQ(same->subspace_degrees, 0);
  const std::vector<float> ones(12, 1);
  const auto lost = Compare(zeros, ones, 4);
  ASSERT_TRUE(lost.ok());
  EXPECT_EQ(lost->min_cosine, 0);
  const auto two = Compare(std::vector<float>{1, 2, 3, 4}, std::vector<float>{1, 2, 3, 4}, 2);
  ASSERT_TRUE(two.ok());
  EXPECT_TRUE(IsInside(*two, {}));
}

TEST(AgreementTest, WhatCannotBeComparedIsAnError) {
  const std::vector<float> four(4, 1), six(6, 1);
  EXPECT_FALSE(Compare(four, six, 2).ok());
  EXPECT_FALSE(Compare(four, four, 4).ok());
  EXPECT_FALSE(Compare(four, four, 3).ok());
  EXPECT_FALSE(Compare(four, four, 0).ok());
  EXPECT_FALSE(Compare({}, {}, 2).ok());
  std::vector<float> nan = four;
  nan[1] = std::nanf("");
  EXPECT_FALSE(Compare(four, nan, 2).ok());
  nan[1] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(Compare(nan, four, 2).ok());
}

TEST(AgreementTest, TheBudgetBindsOnEachFigure) {
  const Budget budget;
  const Agreement just = {256, 1, budget.min_cosine, budget.neighbours_kept,
                          budget.subspace_degrees};
  EXPECT_TRUE(IsInside(just, budget));
  Agreement worse = just;
  worse.min_cosine -= 1e-9;
  EXPECT_FALSE(IsInside(worse, budget));
  worse = just;
  worse.neighbours_kept -= 1e-9;
  EXPECT_FALSE(IsInside(worse, budget));
  worse = just;
  worse.subspace_degrees += 1e-9;
  EXPECT_FALSE(IsInside(worse, budget));
}

TEST(AgreementTest, JsonRoundsToSixDecimals) {
  EXPECT_EQ(ToJson(Agreement{7, 0.12345678, 0.5, 1, 3.25}).dump(),
            R"({"images":7,"mean_cosine":0.123457,"min_cosine":0.5,"neighbours_kept":1.0,)"
            R"("subspace_degrees":3.25})");
}

}  // namespace
}  // namespace pomona::precision
