#include "pomona/reduce/moments.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tbb/task_arena.h>

namespace pomona::reduce {
namespace {

// rows x dimension numbers in [mean - 2, mean + 2), neighbours correlated.
std::vector<float> Draw(int64_t rows, int dimension, float mean, uint32_t seed = 1) {
  std::vector<float> out(static_cast<size_t>(rows) * dimension);
  uint32_t state = seed;
  float before = 0;
  for (float& x : out) {
    state = state * 1664525U + 1013904223U;
    const float drawn = static_cast<float>(state >> 20) / 1024 - 2;
    x = mean + (drawn + before) / 2;
    before = drawn;
  }
  return out;
}

// The textbook two passes in long double.
struct Reference {
  std::vector<long double> mean;
  std::vector<long double> m2;
};

Reference TwoPass(const std::vector<float>& x, int d) {
  const size_t n = x.size() / d;
  Reference out{std::vector<long double>(d), std::vector<long double>(static_cast<size_t>(d) * d)};
  for (size_t i = 0; i < x.size(); ++i) out.mean[i % d] += x[i];
  for (long double& m : out.mean) m /= n;
  for (size_t r = 0; r < n; ++r) {
    for (int i = 0; i < d; ++i) {
      const long double a = x[r * d + i] - out.mean[i];
      for (int j = i; j < d; ++j) out.m2[i * d + j] += a * (x[r * d + j] - out.mean[j]);
    }
  }
  return out;
}

// Its upper triangle, and 0 below.
std::vector<double> M2(Moments moments) {
  const int d = moments.dimension();
  const Moments::Numbers triangle = std::move(moments).m2();
  std::vector<double> m2(triangle.size());
  for (int i = 0; i < d; ++i) {
    const size_t diagonal = static_cast<size_t>(i) * (d + 1);
    std::copy_n(&triangle[diagonal], d - i, &m2[diagonal]);
  }
  return m2;
}

// Means to 1e-15 of themselves and M2_ij to `tolerance` of sqrt(M2_ii M2_jj).
void ExpectNear(const Moments& moments, const Reference& want, double tolerance) {
  const int d = moments.dimension();
  const std::vector<double> mean = moments.mean();
  const std::vector<double> m2 = M2(moments);
  const std::vector<double> diagonal = moments.m2_diagonal();
  double worst_mean = 0;
  double worst_m2 = 0;
  for (int i = 0; i < d; ++i) {
    const auto scale_i = std::sqrt(static_cast<double>(want.m2[i * d + i]));
    worst_mean = std::max(worst_mean, static_cast<double>(std::abs(mean[i] - want.mean[i])) /
                                          (std::abs(mean[i]) + scale_i));
    EXPECT_NEAR(diagonal[i], m2[i * d + i], tolerance * diagonal[i]);
    for (int j = 0; j < i; ++j) EXPECT_EQ(m2[i * d + j], 0);
    for (int j = i; j < d; ++j) {
      const auto scale_j = std::sqrt(static_cast<double>(want.m2[j * d + j]));
      const auto error = static_cast<double>(std::abs(m2[i * d + j] - want.m2[i * d + j]));
      worst_m2 = std::max(worst_m2, error / (scale_i * scale_j));
    }
  }
  EXPECT_LT(worst_mean, 1e-15);
  EXPECT_LT(worst_m2, tolerance);
}

struct Shape {
  int64_t rows;
  int dimension;
};

class MomentsOf : public testing::TestWithParam<std::tuple<Shape, float>> {
 protected:
  int64_t rows() const { return std::get<0>(GetParam()).rows; }
  int d() const { return std::get<0>(GetParam()).dimension; }
  std::vector<float> Data() const { return Draw(rows(), d(), std::get<1>(GetParam())); }
};

TEST_P(MomentsOf, AnyBlockingIsTheTwoPassReference) {
  const std::vector<float> x = Data();
  const Reference want = TwoPass(x, d());
  for (const int64_t block :
       {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{255}, int64_t{257}, rows()}) {
    SCOPED_TRACE(block);
    Moments added(d());
    Moments merged(d());
    for (int64_t i = 0; i < rows(); i += block) {
      const int64_t count = std::min(block, rows() - i);
      added.Add(x.data() + i * d(), count);
      Moments part(d());
      part.Add(x.data() + i * d(), count);
      if (i % 2 == 1) part.Fold();
      merged.Merge(std::move(part));
    }
    EXPECT_EQ(added.n(), rows());
    EXPECT_EQ(merged.n(), rows());
    ExpectNear(added, want, 1e-12);
    ExpectNear(merged, want, 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(ThinAndDense, MomentsOf,
                         testing::Combine(testing::Values(Shape{2, 40}, Shape{50, 160},
                                                          Shape{700, 1}, Shape{1000, 3},
                                                          Shape{1500, 33}, Shape{600, 130}),
                                          testing::Values(0.F, 1e4F, 1e6F)));

TEST(Moments, AreTheSameBitsOnAnyNumberOfThreads) {
  const int d = 300;
  const std::vector<float> x = Draw(2000, d, 10);
  const auto bytes = [&] {
    Moments moments(d);
    moments.Add(x.data(), 2000);
    moments.Fold();
    return moments.ToBytes();
  };
  const std::string alone = bytes();
  for (const int threads : {1, 2, 5}) {
    tbb::task_arena arena(threads);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(arena.execute(bytes), alone) << threads;
  }
}

TEST(Moments, StaysThinWhileRowsAreFewAndNeverKeepsMore) {
  const int d = 64;
  const std::vector<float> x = Draw(200, d, 3);
  Moments moments(d);
  for (int i = 0; i < 200; ++i) {
    moments.Add(x.data() + int64_t{i} * d, 1);
    EXPECT_EQ(moments.is_thin(), i <= d / 2) << i;
    EXPECT_LE(moments.rows().size(), static_cast<size_t>(d / 2 * d));
  }
}

TEST(Moments, MergeInTreeOrderAgrees) {
  const int d = 12;
  const std::vector<float> x = Draw(400, d, 1e4F);
  std::vector<Moments> level;
  for (int i = 0; i < 8; ++i) {
    level.emplace_back(d);
    level.back().Add(x.data() + static_cast<size_t>(i) * 50 * d, 50);
  }
  while (level.size() > 1) {
    std::vector<Moments> next;
    for (size_t i = 0; i < level.size(); i += 2) {
      next.push_back(level[i]);
      next.back().Merge(level[i + 1]);
    }
    level = next;
  }
  ExpectNear(level.front(), TwoPass(x, d), 1e-12);
}

TEST(Moments, BlocksNotCallsDecideTheBits) {
  const int d = 20;
  const std::vector<float> x = Draw(700, d, 1e4F);
  Moments once(d);
  once.Add(x.data(), 700);
  Moments twice(d);
  twice.Add(x.data(), 512);
  twice.Add(x.data() + int64_t{512} * d, 188);
  EXPECT_EQ(M2(once), M2(twice));
  EXPECT_EQ(once.mean(), twice.mean());
}

TEST(Moments, TheTypeOfTheSameNumbersChangesNoBit) {
  const std::vector<float> x = Draw(700, 30, 5);
  const std::vector<double> same(x.begin(), x.end());
  Moments floats(30);
  floats.Add(x.data(), 700);
  Moments doubles(30);
  doubles.Add(same.data(), 700);
  EXPECT_EQ(floats.ToBytes(), doubles.ToBytes());
}

// Floats at 1e8 are 8 apart.
TEST(Moments, DoublesKeepWhatFloatsCannotHold) {
  const std::vector<double> x = {1e8 + 1, 1e8 + 2, 1e8 + 6};
  Moments moments(1);
  moments.Add(x.data(), 3);
  EXPECT_EQ(moments.mean()[0], 1e8 + 3);
  EXPECT_DOUBLE_EQ(M2(moments)[0], 14);
}

TEST(Moments, EmptyAddsNothingAndAnythingMergesWithItself) {
  const int d = 9;
  const std::vector<float> x = Draw(30, d, 5);
  Moments moments(d);
  EXPECT_EQ(moments.mean(), std::vector<double>(d));
  EXPECT_EQ(M2(moments), std::vector<double>(size_t{d} * d));
  moments.Merge(Moments(d));
  moments.Add(x.data(), 30);
  moments.Add(x.data(), 0);
  moments.Merge(Moments(d));
  EXPECT_EQ(moments.n(), 30);
  ExpectNear(moments, TwoPass(x, d), 1e-12);

  moments.Merge(moments);
  std::vector<float> both = x;
  both.insert(both.end(), x.begin(), x.end());
  EXPECT_EQ(moments.n(), 60);
  ExpectNear(moments, TwoPass(both, d), 1e-12);
}

TEST(Moments, ConstantColumnHasNoVarianceAtAll) {
  const int d = 3;
  std::vector<float> x = Draw(1000, d, 1e4F);
  for (size_t i = 1; i < x.size(); i += d) x[i] = 0.1F;
  Moments moments(d);
  for (int part = 0; part < 10; ++part) {
    Moments m(d);
    m.Add(x.data() + int64_t{part} * 100 * d, 100);
    moments.Merge(m);
  }
  EXPECT_EQ(moments.m2_diagonal()[1], 0);
  EXPECT_EQ(moments.mean()[1], 0.1F);
  EXPECT_GT(moments.m2_diagonal()[0], 0);
}

TEST(Moments, ExtremeFloatsStayFinite) {
  const float big = std::numeric_limits<float>::max();
  const std::vector<float> x = {big, std::numeric_limits<float>::denorm_min(), -big,
                                -std::numeric_limits<float>::denorm_min()};
  Moments moments(2);
  moments.Add(x.data(), 2);
  EXPECT_EQ(moments.mean(), std::vector<double>(2));
  EXPECT_DOUBLE_EQ(moments.m2_diagonal()[0], 2.0 * big * big);
  EXPECT_GT(moments.m2_diagonal()[1], 0);
}

TEST(Moments, WhatIsNotFiniteShowsInTheMean) {
  const int d = 4;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const size_t at : {2, 42, 1198}) {
      std::vector<float> x = Draw(300, d, 0);
      x[at] = bad;
      Moments moments(d);
      moments.Add(x.data(), 300);
      Moments total(d);
      total.Add(x.data() + 4, 1);
      total.Merge(moments);
      EXPECT_FALSE(std::isfinite(total.mean()[2])) << bad << " at " << at;
      EXPECT_TRUE(std::isfinite(total.mean()[1]));
    }
  }
}

}  // namespace
}  // namespace pomona::reduce
