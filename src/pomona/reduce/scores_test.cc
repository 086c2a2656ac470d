#include "pomona/reduce/scores.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pomona/testing/targets.h"

namespace pomona::reduce {
namespace {

constexpr int kMany = 37;  // rows: groups of them, a pair and one

template <typename T>
std::vector<T> Draw(size_t count, double mean, uint32_t seed) {
  std::vector<T> out(count);
  for (T& x : out) {
    seed = seed * 1664525U + 1013904223U;
    x = static_cast<T>(static_cast<double>(seed >> 8) / (1 << 24) - 0.5 + mean);
  }
  return out;
}

// Against sums in long double, to the rounding of as many terms, and each row alone, to the bit.
template <typename T>
void Check(int dimension, int k) {
  const auto d = static_cast<size_t>(dimension);
  const std::vector<T> rows = Draw<T>(kMany * d, 1000, 1);
  const std::vector<double> mean = Draw<double>(d, 1000, 2);
  const std::vector<double> components = Draw<double>(k * d, 0, 3);
  std::vector<double> scores(static_cast<size_t>(kMany) * k, NAN);
  Scores(rows.data(), kMany, dimension, mean.data(), components.data(), k, scores.data());
  std::vector<double> alone(k);
  for (int i = 0; i < kMany; ++i) {
    const T* row = rows.data() + i * d;
    Scores(row, 1, dimension, mean.data(), components.data(), k, alone.data());
    for (int c = 0; c < k; ++c) {
      long double sum = 0;
      long double size = 0;
      for (size_t j = 0; j < d; ++j) {
        const auto term = (static_cast<long double>(row[j]) - mean[j]) * components[c * d + j];
        sum += term;
        size += std::abs(term);
      }
      const double score = scores[static_cast<size_t>(i) * k + c];
      EXPECT_NEAR(score, static_cast<double>(sum), static_cast<double>(size) * 1e-15 + 1e-15)
          << "row " << i << ", component " << c << ", " << dimension << " x " << k;
      EXPECT_EQ(score, alone[c]);
    }
  }
}

TEST(Scores, AreTheSumsOfProducts) {
  ForEachTarget([](const std::string& target) {
    SCOPED_TRACE(target);
    for (const int dimension : {1, 3, 8, 29, 300}) {
      for (int k = 1; k <= 13; ++k) {
        Check<float>(dimension, k);
        Check<double>(dimension, k);
      }
    }
  });
}

}  // namespace
}  // namespace pomona::reduce
