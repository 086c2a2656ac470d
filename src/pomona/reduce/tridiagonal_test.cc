#include "pomona/reduce/tridiagonal.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <lapacke.h>

namespace pomona::reduce {
namespace {

// T and what makes Q: dsytrd's results, one after the other.
struct Form {
  std::vector<double> matrix;
  std::vector<double> numbers;

  Form(const std::vector<double>& of, int n) : matrix(of), numbers(size_t{3} * n) {}
  double* diagonal() { return numbers.data(); }
  double* beside() { return numbers.data() + numbers.size() / 3; }
  double* factors() { return numbers.data() + numbers.size() / 3 * 2; }
};

// The lower triangle of a symmetric matrix; the upper, which is not to be read, is NaN.
std::vector<double> DrawMatrix(int n) {
  std::vector<double> matrix(static_cast<size_t>(n) * n, NAN);
  uint32_t state = 7;
  for (int column = 0; column < n; ++column) {
    for (int row = column; row < n; ++row) {
      state = state * 1664525U + 1013904223U;
      const double draw = static_cast<double>(state >> 8) / (1 << 24) - 0.5;
      matrix[static_cast<size_t>(column) * n + row] = draw + (row == column ? n : 0);
    }
  }
  return matrix;
}

Form Ours(const std::vector<double>& matrix, int n, int threads) {
  Form form(matrix, n);
  EXPECT_EQ(Tridiagonalise(n, threads, form.matrix.data(), form.diagonal(), form.beside(),
                           form.factors()),
            0);
  return form;
}

bool SameLower(const std::vector<double>& a, const std::vector<double>& b, int n,
               double tolerance) {
  for (int column = 0; column < n; ++column) {
    for (int row = column; row < n; ++row) {
      const size_t at = static_cast<size_t>(column) * n + row;
      if (!(std::abs(a[at] - b[at]) <= tolerance)) return false;
    }
  }
  return true;
}

// 257 is the least that LAPACK does not do alone; 291 and 333 leave strips of odd sizes.
TEST(TridiagonaliseTest, IsLapacks) {
  for (const int n : {1, 2, 30, 256, 257, 291, 333, 640}) {
    const std::vector<double> matrix = DrawMatrix(n);
    Form want(matrix, n);
    ASSERT_EQ(LAPACKE_dsytrd(LAPACK_COL_MAJOR, 'L', n, want.matrix.data(), n, want.diagonal(),
                             want.beside(), want.factors()),
              0);
    const Form form = Ours(matrix, n, 1);
    for (size_t i = 0; i < form.numbers.size(); ++i) {
      ASSERT_NEAR(form.numbers[i], want.numbers[i], 1e-10 * n) << n << " at " << i;
    }
    EXPECT_TRUE(SameLower(form.matrix, want.matrix, n, 1e-10 * n)) << n;
  }
}

TEST(TridiagonaliseTest, SameBitsForAnyNumberOfThreads) {
  constexpr int kSize = 500;
  const std::vector<double> matrix = DrawMatrix(kSize);
  const Form want = Ours(matrix, kSize, 1);
  for (const int threads : {2, 5, 2}) {
    const Form form = Ours(matrix, kSize, threads);
    EXPECT_EQ(form.numbers, want.numbers) << threads;
    EXPECT_TRUE(SameLower(form.matrix, want.matrix, kSize, 0)) << threads;
  }
}

}  // namespace
}  // namespace pomona::reduce
