#include "pomona/reduce/pca.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pomona/testing/npz.h"

namespace pomona::reduce {
namespace {

using testing::LoadNpz;
using testing::NpyArray;

std::string Golden(const std::string& name) {
  return std::string(POMONA_SOURCE_DIR) + "/tests/golden/" + name;
}

std::vector<double> Doubles(const std::string& file, const std::string& array) {
  const NpyArray npy = LoadNpz(Golden(file), array);
  EXPECT_EQ(npy.dtype, "<f8");
  return {npy.data<double>(), npy.data<double>() + npy.bytes.size() / sizeof(double)};
}

struct Matrix {
  int64_t rows = 0;
  int columns = 0;
  std::vector<float> values;
};

// 50 x 1280, 55 columns constant.
Matrix Features() {
  const NpyArray npy = LoadNpz(Golden("features.npz"), "efficientnet_lite0");
  const auto* data = npy.data<float>();
  return {npy.shape[0], static_cast<int>(npy.shape[1]), {data, data + npy.shape[0] * npy.shape[1]}};
}

// The 3,000 x 64 numbers of tests/golden/make_sklearn_pca.py.
Matrix Synthetic() {
  constexpr int kRows = 3000;
  constexpr int kColumns = 64;
  constexpr int kLatent = 8;
  Matrix out{kRows, kColumns, std::vector<float>(size_t{kRows} * kColumns)};
  uint32_t state = 1;
  for (int i = 0; i < kRows; ++i) {
    double drawn[kLatent + kColumns];
    for (double& number : drawn) {
      state = state * 1664525U + 1013904223U;
      number = state >> 22;
    }
    const double* noise = drawn + kLatent;
    float* row = out.values.data() + int64_t{i} * kColumns;
    for (int j = 0; j < kColumns; ++j) {
      const double sum = (j + 1) * drawn[j % 8] + 3 * drawn[(j + 3) % 8] + 5 * noise[j];
      row[j] = static_cast<float>(sum / 1024);
    }
    row[10] = 7.25F;
    row[11] = 0;
    row[12] = noise[12] == 0 ? 10000.0009765625F : 10000;
    row[13] = static_cast<float>(10000 + noise[13] / 256);
    row[14] = static_cast<float>(1000000 + std::floor(noise[14] / 16) / 16);
    row[15] = row[20];
  }
  return out;
}

Moments MomentsOf(const Matrix& x) {
  Moments moments(x.columns);
  moments.Add(x.values.data(), x.rows);
  return moments;
}

Pca Fit(const Matrix& x, const Components& components) {
  auto pca = FitPca(MomentsOf(x), components);
  EXPECT_TRUE(pca.ok()) << pca.status().ToString();
  return *pca;
}

Components All(int count) { return {count, 0}; }

// `got` and `want` hold `count` vectors of length d, equal up to the sign of each, to `tolerance`
// of the largest number in them. Gives the signs.
std::vector<double> ExpectSameUpToSign(const std::vector<double>& got,
                                       const std::vector<double>& want, int count,
                                       double tolerance) {
  EXPECT_GE(got.size(), want.size());
  const size_t d = want.size() / count;
  std::vector<double> signs(count);
  for (int i = 0; i < count; ++i) {
    const double* a = got.data() + i * d;
    const double* b = want.data() + i * d;
    signs[i] = std::inner_product(a, a + d, b, 0.0) < 0 ? -1 : 1;
    double worst = 0;
    double largest = 0;
    for (size_t j = 0; j < d; ++j) {
      worst = std::max(worst, std::abs(a[j] - signs[i] * b[j]));
      largest = std::max(largest, std::abs(b[j]));
    }
    EXPECT_LE(worst, tolerance * largest) << "vector " << i;
  }
  return signs;
}

// Relative to the largest of `want`.
void ExpectNear(const std::vector<double>& got, const std::vector<double>& want, size_t count,
                double tolerance) {
  ASSERT_GE(got.size(), count);
  ASSERT_GE(want.size(), count);
  double largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(want[i]));
  for (size_t i = 0; i < count; ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * largest) << "at " << i;
  }
}

std::vector<double> Transposed(const std::vector<double>& m, int rows) {
  const size_t columns = m.size() / rows;
  std::vector<double> out(m.size());
  for (int i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) out[j * rows + i] = m[i * columns + j];
  }
  return out;
}

void ExpectOrthonormalAndSigned(const Pca& pca) {
  const size_t d = pca.dimension;
  for (int a = 0; a < pca.k; ++a) {
    const double* row = pca.components.data() + a * d;
    for (int b = 0; b <= a; ++b) {
      const double* other = pca.components.data() + b * d;
      EXPECT_NEAR(std::inner_product(row, row + d, other, 0.0), a == b, 1e-13) << a << ", " << b;
    }
    const auto [least, most] = std::minmax_element(row, row + d);
    EXPECT_GE(*most, -*least) << "component " << a;
  }
}

TEST(FitPca, IsSparkMlsWithMean) {
  const Matrix x = Features();
  const Pca pca = Fit(x, All(6));
  ASSERT_EQ(pca.k, 6);
  ExpectNear(pca.ExplainedRatio(), Doubles("spark_pca.npz", "with_mean_explained"), 6, 1e-12);
  const auto pc = Transposed(Doubles("spark_pca.npz", "with_mean_pc"), x.columns);
  ExpectSameUpToSign(pca.components, pc, 6, 1e-10);
  const auto proj = Transposed(Doubles("spark_pca.npz", "with_mean_proj"), 50);
  ExpectSameUpToSign(Transposed(pca.Project(x.values.data(), x.rows), 50), proj, 6, 1e-10);
}

// Without the mean Spark scales only; its covariance, and so its components, are the same, and its
// projection, which never subtracts the mean, is off by the projection of mean / scale.
TEST(FitPca, IsSparkMlsDefaultButForTheMean) {
  const Matrix x = Features();
  const Pca pca = Fit(x, All(6));
  ExpectNear(pca.ExplainedRatio(), Doubles("spark_pca.npz", "default_explained"), 6, 1e-12);
  const auto pc = Transposed(Doubles("spark_pca.npz", "default_pc"), x.columns);
  ExpectSameUpToSign(pca.components, pc, 6, 1e-10);

  std::vector<double> projected = pca.Project(x.values.data(), x.rows);
  for (int c = 0; c < 6; ++c) {
    double offset = 0;
    for (int j = 0; j < x.columns; ++j) {
      offset += pca.scaler.mean[j] / pca.scaler.scale[j] * pca.components[c * size_t{1280} + j];
    }
    for (int i = 0; i < 50; ++i) projected[i * 6 + c] += offset;
  }
  const auto proj = Transposed(Doubles("spark_pca.npz", "default_proj"), 50);
  ExpectSameUpToSign(Transposed(projected, 50), proj, 6, 1e-10);
}

void ExpectScikitLearns(const Matrix& x, const Pca& pca, const std::string& set, int components,
                        int shown) {
  const auto golden = [&set](const char* array) {
    return Doubles("sklearn_pca.npz", set + "_" + array);
  };
  const double n_ratio = static_cast<double>(x.rows) / static_cast<double>(x.rows - 1);
  std::vector<double> scale = golden("scale");
  std::vector<int> constant;
  for (int j = 0; j < x.columns; ++j) {
    if (scale[j] == 1)
      constant.push_back(j);
    else
      scale[j] *= std::sqrt(n_ratio);
  }
  EXPECT_EQ(pca.scaler.constant, constant);
  ExpectNear(pca.scaler.mean, golden("mean"), x.columns, 1e-14);
  for (int j = 0; j < x.columns; ++j) {
    ASSERT_NEAR(pca.scaler.scale[j], scale[j], 1e-9 * scale[j]) << j;
  }

  std::vector<double> variance = golden("variance");
  for (double& v : variance) v /= n_ratio;
  ExpectNear(pca.variance, variance, variance.size(), 1e-12);
  ExpectNear(pca.ExplainedRatio(), golden("ratio"), variance.size(), 1e-12);
  std::vector<double> wanted = golden("components");
  wanted.resize(static_cast<size_t>(components) * x.columns);
  ExpectSameUpToSign(pca.components, wanted, components, 1e-9);

  const std::vector<double> projection = golden("projection");
  const size_t columns = projection.size() / shown;
  std::vector<double> by_component = Transposed(projection, shown);
  by_component.resize(static_cast<size_t>(components) * shown);
  ASSERT_GE(columns, static_cast<size_t>(components));
  for (double& v : by_component) v /= std::sqrt(n_ratio);
  ExpectSameUpToSign(Transposed(pca.Project(x.values.data(), shown), shown), by_component,
                     components, 1e-9);
}

TEST(FitPca, IsScikitLearnsOnFeatures) {
  const Matrix x = Features();
  const Pca pca = Fit(x, All(1280));
  EXPECT_EQ(pca.rank, 49);
  EXPECT_EQ(pca.k, 49);
  EXPECT_EQ(pca.scaler.constant.size(), 55U);
  EXPECT_NEAR(pca.total_variance, 1280 - 55, 1e-9);
  ExpectScikitLearns(x, pca, "features", 10, 50);
  ExpectOrthonormalAndSigned(pca);
  EXPECT_EQ(std::count(pca.variance.begin(), pca.variance.end(), 0), 1280 - 49);
}

TEST(FitPca, IsScikitLearnsOnTheNastyTable) {
  const Matrix x = Synthetic();
  const NpyArray last = LoadNpz(Golden("sklearn_pca.npz"), "synthetic_last_row");
  ASSERT_TRUE(std::equal(x.values.end() - 64, x.values.end(), last.data<float>()));
  const Pca pca = Fit(x, All(64));
  EXPECT_EQ(pca.rank, 61);  // of 64, two are constant and one is there twice
  EXPECT_EQ(pca.scaler.constant, (std::vector<int>{10, 11}));
  ExpectScikitLearns(x, pca, "synthetic", 61, 20);
  ExpectOrthonormalAndSigned(pca);
}

// The covariance of these four rows is diagonal: 12 and 4/3.
TEST(FitPca, WithoutScalingItIsOfTheCovarianceMatrix) {
  const Matrix x{4, 3, {13, 6, 7, 13, 4, 7, 7, 6, 7, 7, 4, 7}};
  const auto pca = FitPca(MomentsOf(x), All(3), Scaling::kNone);
  ASSERT_TRUE(pca.ok()) << pca.status().ToString();
  EXPECT_EQ(pca->scaler.mean, (std::vector<double>{10, 5, 7}));
  EXPECT_EQ(pca->scaler.scale, (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(pca->scaler.constant, std::vector<int>{2});
  EXPECT_EQ(pca->k, 2);
  ExpectNear(pca->variance, {12, 4.0 / 3, 0}, 3, 1e-15);
  ExpectNear(pca->components, {1, 0, 0, 0, 1, 0}, 6, 1e-15);
  ExpectNear(pca->Project(x.values.data(), 1), {3, 1}, 2, 1e-15);
}

TEST(FitPca, KeepsTheFractionAsScikitLearnDoes) {
  for (const bool features : {true, false}) {
    const Matrix x = features ? Features() : Synthetic();
    const std::string name = features ? "features_k95" : "synthetic_k95";
    const auto want = *LoadNpz(Golden("sklearn_pca.npz"), name).data<int64_t>();
    const Pca pca = Fit(x, {6, 0.95});
    EXPECT_EQ(pca.k, want);
    EXPECT_EQ(pca.components.size(), static_cast<size_t>(pca.k) * x.columns);
    EXPECT_EQ(Fit(x, {6, 1.0}).k, pca.rank);
    EXPECT_EQ(Fit(x, {6, 1e-300}).k, 1);
  }
}

TEST(FitPca, ThinAndDenseAgree) {
  const Matrix x = Features();
  Moments moments = MomentsOf(x);
  ASSERT_TRUE(moments.is_thin());
  const Pca thin = *FitPca(moments, All(49));
  moments.Fold();
  ASSERT_FALSE(moments.is_thin());
  const Pca dense = *FitPca(moments, All(49));
  EXPECT_EQ(thin.rank, dense.rank);
  EXPECT_EQ(thin.k, dense.k);
  EXPECT_EQ(thin.scaler.constant, dense.scaler.constant);
  ExpectNear(thin.variance, dense.variance, 1280, 1e-12);
  ExpectNear(thin.components, dense.components, thin.components.size(), 1e-10);
  ExpectOrthonormalAndSigned(dense);
}

TEST(FitPca, ALargeMeanChangesNothing) {
  // Multiples of 1/16 below 4 are as exact in float32 at 1e6 as at 0.
  Matrix x{400, 10, std::vector<float>(4000)};
  uint32_t state = 7;
  for (float& v : x.values) {
    state = state * 1664525U + 1013904223U;
    v = static_cast<float>(state >> 26) / 16;
  }
  Matrix far = x;
  for (float& v : far.values) v += 1e6F;
  const Pca near_pca = Fit(x, All(10));
  const Pca far_pca = Fit(far, All(10));
  ExpectNear(far_pca.variance, near_pca.variance, 10, 1e-12);
  ExpectNear(far_pca.components, near_pca.components, 100, 1e-11);
  ExpectNear(far_pca.Project(far.values.data(), 400), near_pca.Project(x.values.data(), 400), 4000,
             1e-9);
}

// Mean 1e4, deviation 1, over several blocks and merges, against two passes over the same floats in
// long double: E[xy] - E[x]E[y] in fp64 would leave 8 digits of 16.
TEST(FitPca, AMeanOfTenThousandCostsNoDigits) {
  constexpr int kRows = 2000;
  constexpr int kColumns = 24;
  Matrix x{kRows, kColumns, std::vector<float>(size_t{kRows} * kColumns)};
  std::mt19937 random(3);
  const auto draw = [&random] { return static_cast<double>(random()) / 4294967296.0 - 0.5; };
  for (int i = 0; i < kRows; ++i) {
    const double shared = draw();
    const double other = draw();
    for (int j = 0; j < kColumns; ++j) {
      const double sum = (1 + 0.1 * j) * shared + (j % 3) * other + draw();
      x.values[i * kColumns + j] = static_cast<float>(1e4 + 2 * sum);
    }
  }
  Moments moments(kColumns);
  for (int i = 0; i < 4; ++i) {
    Moments part(kColumns);
    part.Add(x.values.data() + static_cast<ptrdiff_t>(i) * 500 * kColumns, 500);
    moments.Merge(std::move(part));
  }
  const Pca pca = FitPca(moments, All(kColumns)).ValueOrDie();

  std::vector<long double> mean(kColumns);
  for (size_t i = 0; i < x.values.size(); ++i) mean[i % kColumns] += x.values[i];
  for (long double& m : mean) m /= kRows;
  std::vector<long double> m2(size_t{kColumns} * kColumns);
  for (int r = 0; r < kRows; ++r) {
    const float* row = x.values.data() + static_cast<ptrdiff_t>(r) * kColumns;
    for (int i = 0; i < kColumns; ++i) {
      for (int j = 0; j < kColumns; ++j) {
        m2[i * kColumns + j] += (row[i] - mean[i]) * (row[j] - mean[j]);
      }
    }
  }
  for (int i = 0; i < kColumns; ++i) {
    const auto scale = std::sqrt(m2[size_t{kColumns + 1} * i] / (kRows - 1));
    EXPECT_NEAR(pca.scaler.mean[i], static_cast<double>(mean[i]), 1e-11);
    EXPECT_NEAR(pca.scaler.scale[i], static_cast<double>(scale), 1e-14 * pca.scaler.scale[i]);
  }
  // C v = lambda v, C being the reference's correlation matrix.
  for (int c = 0; c < kColumns; ++c) {
    const double* v = pca.components.data() + static_cast<ptrdiff_t>(c) * kColumns;
    for (int i = 0; i < kColumns; ++i) {
      long double product = 0;
      for (int j = 0; j < kColumns; ++j) {
        const auto scale = std::sqrt(m2[size_t{kColumns + 1} * i] * m2[size_t{kColumns + 1} * j]);
        product += m2[i * kColumns + j] / scale * v[j];
      }
      EXPECT_NEAR(static_cast<double>(product), pca.variance[c] * v[i], 1e-13) << c << ", " << i;
    }
  }
}

TEST(FitPca, ProjectionsHaveTheVariancesAndNoCorrelation) {
  const Matrix x = Synthetic();
  const Pca pca = Fit(x, All(61));
  const std::vector<double> y = pca.Project(x.values.data(), x.rows);
  for (int a = 0; a < pca.k; ++a) {
    for (int b = 0; b <= a; ++b) {
      double sum = 0;
      for (int64_t i = 0; i < x.rows; ++i) sum += y[i * pca.k + a] * y[i * pca.k + b];
      EXPECT_NEAR(sum / static_cast<double>(x.rows - 1), a == b ? pca.variance[a] : 0, 1e-9);
    }
  }
}

TEST(FitPca, NoVariationGivesNoComponents) {
  for (const int d : {1, 2, 30}) {
    const Matrix x{20, d, std::vector<float>(static_cast<size_t>(20) * d, 3.3F)};
    const Pca pca = Fit(x, All(1));
    EXPECT_EQ(pca.rank, 0);
    EXPECT_EQ(pca.k, 0);
    EXPECT_EQ(pca.total_variance, 0);
    EXPECT_EQ(pca.ExplainedRatio(), std::vector<double>(d));
    EXPECT_TRUE(pca.Project(x.values.data(), 20).empty());
    EXPECT_EQ(Fit(x, {6, 0.95}).k, 0);
  }
}

// One float32 step in one of 500,000 rows is below what scikit-learn takes for a variance.
TEST(FitPca, RoundingNoiseInAConstantColumnIsNoVariance) {
  Matrix x{500'000, 2, {}};
  for (int64_t i = 0; i < x.rows; ++i) {
    x.values.push_back(16000);
    x.values.push_back(static_cast<float>(i % 7));
  }
  x.values[2468] = std::nextafter(16000.F, 20000.F);
  const Moments moments = MomentsOf(x);
  EXPECT_GT(moments.m2_diagonal()[0], 0);
  const Pca pca = *FitPca(moments, All(2));
  EXPECT_EQ(pca.scaler.constant, std::vector<int>{0});
  EXPECT_EQ(pca.rank, 1);
  EXPECT_EQ(pca.components, (std::vector<double>{0, 1}));

  for (size_t i = 1; i < x.values.size(); i += 2) x.values[i] = 3;
  EXPECT_EQ(Fit(x, All(2)).rank, 0);
}

TEST(FitPca, TwoRowsSpanOneComponent) {
  const Matrix x{2, 3, {1, 5, -2, 3, 5, -6}};
  const Pca pca = Fit(x, All(3));
  EXPECT_EQ(pca.rank, 1);
  EXPECT_EQ(pca.k, 1);
  EXPECT_EQ(pca.scaler.constant, std::vector<int>{1});
  const double half = std::sqrt(0.5);
  ExpectNear(pca.components, {half, 0, -half}, 3, 1e-15);
  EXPECT_EQ(pca.components[1], 0);
  ExpectNear(pca.variance, {2, 0, 0}, 3, 1e-15);
  ExpectNear(pca.Project(x.values.data(), 2), {-1, 1}, 2, 1e-15);
}

TEST(FitPca, OneColumnIsItsOwnComponent) {
  const Pca pca = Fit({3, 1, {1, 2, 3}}, All(1));
  EXPECT_EQ(pca.components, std::vector<double>{1});
  EXPECT_NEAR(pca.variance[0], 1, 1e-15);
}

TEST(FitPca, StopsWhenAsked) {
  constexpr int kColumns = 400;
  Moments moments(kColumns);
  for (int i = 0; i < kColumns; ++i) {
    std::vector<float> row(kColumns);
    row[i] = 1;
    moments.Add(row.data(), 1);
  }
  ASSERT_FALSE(moments.is_thin());
  std::stop_source stop;
  EXPECT_TRUE(FitPca(moments, All(3), Scaling::kNone, 2, stop.get_token()).ok());
  stop.request_stop();
  const Status status = FitPca(moments, All(3), Scaling::kNone, 2, stop.get_token()).status();
  EXPECT_TRUE(status.IsCancelled()) << status.ToString();
}

TEST(FitPca, SaysWhatItCannotFit) {
  const Matrix x{3, 2, {1, 2, 3, 4, 5, 7}};
  const Moments moments = MomentsOf(x);
  EXPECT_TRUE(IsUsageError(FitPca(moments, All(3)).status()));
  EXPECT_TRUE(IsUsageError(FitPca(moments, All(0)).status()));
  EXPECT_TRUE(IsUsageError(FitPca(moments, {1, 1.5}).status()));
  EXPECT_TRUE(IsUsageError(FitPca(moments, {1, -0.5}).status()));
  EXPECT_TRUE(IsUsageError(FitPca(moments, {1, std::nan("")}).status()));

  for (const int64_t rows : {0, 1}) {
    Moments few(2);
    few.Add(x.values.data(), rows);
    const Status status = FitPca(few, All(1)).status();
    EXPECT_TRUE(status.IsInvalid());
    EXPECT_FALSE(IsUsageError(status));
    EXPECT_NE(status.message().find("at least 2 images"), std::string::npos);
  }
  Moments bad = moments;
  const float nan[] = {1, std::numeric_limits<float>::quiet_NaN()};
  bad.Add(nan, 1);
  EXPECT_NE(FitPca(bad, All(1)).status().message().find("not finite"), std::string::npos);
}

TEST(ParseComponents, TakesCountsAndFractions) {
  const auto parse = [](std::string_view text) { return ParseComponents(text).ValueOrDie(); };
  EXPECT_EQ(parse("6"), (Components{6, 0}));
  EXPECT_EQ(parse("1"), (Components{1, 0}));
  EXPECT_EQ(parse("9999"), (Components{9999, 0}));
  EXPECT_EQ(parse("0.95"), (Components{6, 0.95}));
  EXPECT_EQ(parse("1.0"), (Components{6, 1}));
  EXPECT_EQ(parse(".5"), (Components{6, 0.5}));
}

TEST(ParseComponents, RefusesTheRest) {
  for (const std::string text :
       {"",     "0",           "-1",        "+6",    " 6",       "6 ",   "6x",  "abc",
        "1e3",  "1e-1",        "0.0",       "-0.0",  "1.5",      "2.0",  "nan", "inf",
        "-inf", "0.5e0",       "0.5.",      "0,95",  ".",        "0x6",  "½",   "6\n",
        "-0.5", "99999999999", "1.0000001", "0.9 5", "\xff\xfe", "nan.", "1/2"}) {
    const Status status = ParseComponents(text).status();
    EXPECT_TRUE(IsUsageError(status)) << text;
    EXPECT_NE(status.message().find("0.95"), std::string::npos);
  }
  EXPECT_TRUE(IsUsageError(ParseComponents(std::string_view("6\0", 2)).status()));
  EXPECT_TRUE(IsUsageError(ParseComponents("0." + std::string(400, '0') + "1").status()));
}

}  // namespace
}  // namespace pomona::reduce
