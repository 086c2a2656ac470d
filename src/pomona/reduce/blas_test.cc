#include "pomona/reduce/blas.h"

#include <atomic>
#include <thread>
#include <vector>

#include <cblas.h>
#include <gtest/gtest.h>

namespace pomona::reduce {
namespace {

constexpr int kSize = 96;
using Matrix = std::vector<double>;

Matrix Draw(int seed) {
  Matrix out(size_t{kSize} * kSize);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>((i * 7919 + static_cast<size_t>(seed) * 104729) % 1009);
  }
  return out;
}

// All that this room asks of BLAS and that takes a buffer; whole numbers, which add up exactly.
Matrix Products(const Matrix& a) {
  Matrix out(a.size());
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, kSize, kSize, kSize, 1, a.data(), kSize,
              a.data(), kSize, 0, out.data(), kSize);
  cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, kSize, kSize, 1, a.data(), kSize, 1,
              out.data(), kSize);
  cblas_dsyr2k(CblasColMajor, CblasLower, CblasNoTrans, kSize, kSize, 1, a.data(), kSize, a.data(),
               kSize, 1, out.data(), kSize);
  cblas_dsymv(CblasColMajor, CblasLower, kSize, 1, a.data(), kSize, a.data(), 1, 1, out.data(), 1);
  cblas_dgemv(CblasColMajor, CblasTrans, kSize, kSize, 1, a.data(), kSize, a.data(), 1, 1,
              out.data(), 1);
  return out;
}

// With the OpenBLAS that was built without threads, 29 to 112 of these 8,000 come out wrong on two
// cores.
TEST(BlasTest, ThreadsDoNotSpoilEachOthersProducts) {
  UseOneBlasThread();
  constexpr int kThreads = 4;
  constexpr int kTimes = 2000;
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t, &wrong] {
        const Matrix a = Draw(t);
        const Matrix want = Products(a);
        for (int i = 0; i < kTimes; ++i) wrong += Products(a) == want ? 0 : 1;
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(BlasTest, RunsOnTheThreadThatCalls) {
  UseOneBlasThread();
  EXPECT_EQ(openblas_get_num_threads(), 1);
}

}  // namespace
}  // namespace pomona::reduce
