#include "pomona/reduce/tridiagonal.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <cblas.h>
#include <gtest/gtest.h>
#include <lapacke.h>

#include "pomona/reduce/blas.h"

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
  UseOneBlasThread();
  Form form(matrix, n);
  EXPECT_EQ(Tridiagonalise(n, threads, {}, form.matrix.data(), form.diagonal(), form.beside(),
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

// Q T Q^T, Q as LAPACK makes it of the reflectors.
std::vector<double> Product(Form form, int n) {
  const auto size = static_cast<size_t>(n);
  EXPECT_EQ(LAPACKE_dorgtr(LAPACK_COL_MAJOR, 'L', n, form.matrix.data(), n, form.factors()), 0);
  std::vector<double> tridiagonal(size * size);
  for (size_t i = 0; i < size; ++i) {
    tridiagonal[i * size + i] = form.diagonal()[i];
    if (i + 1 < size) {
      tridiagonal[i * size + i + 1] = tridiagonal[(i + 1) * size + i] = form.beside()[i];
    }
  }
  std::vector<double> half(size * size);
  std::vector<double> product(size * size);
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, form.matrix.data(), n,
              tridiagonal.data(), n, 0, half.data(), n);
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, n, n, n, 1, half.data(), n,
              form.matrix.data(), n, 0, product.data(), n);
  return product;
}

// T itself is not compared with LAPACK's: the last bits of its first numbers grow on the way to the
// last. 257 is the least that LAPACK does not do alone; 291 and 333 leave strips of odd sizes.
TEST(TridiagonaliseTest, MultipliesBackToTheMatrix) {
  for (const int n : {1, 2, 30, 256, 257, 291, 333, 640}) {
    const std::vector<double> matrix = DrawMatrix(n);
    EXPECT_TRUE(SameLower(Product(Ours(matrix, n, 1), n), matrix, n, 1e-13 * n)) << n;
  }
}

TEST(TridiagonaliseTest, HasTheEigenvaluesThatLapackFinds) {
  for (const int n : {257, 640}) {
    std::vector<double> matrix = DrawMatrix(n);
    Form form = Ours(matrix, n, 1);
    ASSERT_EQ(LAPACKE_dsterf(n, form.diagonal(), form.beside()), 0);
    std::vector<double> want(static_cast<size_t>(n));
    ASSERT_EQ(LAPACKE_dsyev(LAPACK_COL_MAJOR, 'N', 'L', n, matrix.data(), n, want.data()), 0);
    for (int i = 0; i < n; ++i) ASSERT_NEAR(form.diagonal()[i], want[i], 1e-13 * n * n) << i;
  }
}

TEST(TridiagonaliseTest, SameBitsForAnyNumberOfThreads) {
  constexpr int kSize = 500;
  const std::vector<double> matrix = DrawMatrix(kSize);
  const Form want = Ours(matrix, kSize, 1);
  for (int i = 0; i < 20; ++i) {
    const int threads = i % 2 == 0 ? 2 : 5;
    const Form form = Ours(matrix, kSize, threads);
    EXPECT_EQ(form.numbers, want.numbers) << threads;
    EXPECT_TRUE(SameLower(form.matrix, want.matrix, kSize, 0)) << threads;
  }
}

}  // namespace
}  // namespace pomona::reduce
