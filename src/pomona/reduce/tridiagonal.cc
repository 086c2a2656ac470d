#include "pomona/reduce/tridiagonal.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <cblas.h>
#include <lapacke.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "pomona/reduce/both_ways.h"
#include "pomona/reduce/triangle.h"

namespace pomona::reduce {
namespace {

constexpr int kPanel = 32;        // columns between two updates of the rest, as in LAPACK
constexpr int kStrips = 8;        // tasks of a product of matrix and vector
constexpr int kEven = 8;          // rows between two cuts of them, a multiple
constexpr int kStripWidth = 128;  // columns of a task of an update
constexpr int kSmallest = 256;    // what is left then fits the L2 cache: LAPACK does it alone

// dsytrd's own steps (dlatrd and dsyr2k; Dongarra, Sorensen, Hammarling, "Block reduction of
// matrices to condensed forms", 1989), of which the two that read the whole rest of the matrix are
// cut into strips of columns. Where the cuts are, and in which order strips are added, depends on
// sizes only.
class Tridiagonalisation {
 public:
  Tridiagonalisation(int n, double* matrix, double* diagonal, double* beside, double* factors)
      : n_(n), matrix_(matrix), diagonal_(diagonal), beside_(beside), factors_(factors) {}

  int Run(const std::stop_token& stop) {
    int first = 0;
    for (; n_ - first > kSmallest; first += kPanel) {
      if (stop.stop_requested()) return 0;
      for (int i = 0; i < kPanel; ++i) Eliminate(first, i);
      UpdateRest(first);
      for (int c = first; c < first + kPanel; ++c) {
        At(c + 1, c)[0] = beside_[c];
        diagonal_[c] = At(c, c)[0];
      }
    }
    return LAPACKE_dsytrd(LAPACK_COL_MAJOR, 'L', n_ - first, At(first, first), n_,
                          diagonal_ + first, beside_ + first, factors_ + first);
  }

 private:
  double* At(int row, int column) { return matrix_ + static_cast<ptrdiff_t>(column) * n_ + row; }
  double* UpdateAt(int row, int i) {
    return updates_.data() + static_cast<ptrdiff_t>(i) * n_ + row;
  }

  // The reflector of column first + i, and what it adds to the update of the rest.
  void Eliminate(int first, int i) {
    const int column = first + i;
    double* top = At(column, column);
    Subtract(n_ - column, i, At(column, first), UpdateAt(column, 0), n_, top);
    Subtract(n_ - column, i, UpdateAt(column, 0), At(column, first), n_, top);
    const int rows = n_ - column - 1;
    double* reflector = top + 1;
    LAPACKE_dlarfg_work(rows, reflector, reflector + 1, 1, &factors_[column]);
    beside_[column] = *reflector;
    *reflector = 1;

    double* update = UpdateAt(column + 1, i);
    MultiplyRest(column + 1, reflector, update);
    const double* reflectors = At(column + 1, first);
    const double* updates = UpdateAt(column + 1, 0);
    std::array<double, kPanel> products{};
    for (const auto& [left, right] : {std::pair(reflectors, updates), {updates, reflectors}}) {
      if (i == 0) break;
      cblas_dgemv(CblasColMajor, CblasTrans, rows, i, 1, right, n_, reflector, 1, 0,
                  products.data(), 1);
      Subtract(rows, i, left, products.data(), 1, update);
    }
    cblas_dscal(rows, factors_[column], update, 1);
    const double along = cblas_ddot(rows, update, 1, reflector, 1);
    cblas_daxpy(rows, -factors_[column] / 2 * along, reflector, 1, update, 1);
  }

  // y -= A x for the first `count` columns of A.
  void Subtract(int rows, int count, const double* a, const double* x, int x_step,
                double* y) const {
    if (count == 0) return;
    cblas_dgemv(CblasColMajor, CblasNoTrans, rows, count, -1, a, n_, x, x_step, 1, y, 1);
  }

  // y = A x for the rest of the matrix from (first, first) on.
  void MultiplyRest(int first, const double* x, double* y) {
    const int m = n_ - first;
    std::array<int, kStrips + 1> cuts{};
    for (int s = 0; s <= kStrips; ++s) cuts[s] = TriangleCut(m, s, kStrips, kEven);
    tbb::parallel_for(0, kStrips, [&](int s) {
      const int begin = cuts[s];
      const int end = cuts[s + 1];
      double* sums = sums_.data() + static_cast<ptrdiff_t>(s) * n_;
      std::fill(sums + begin, sums + m, 0);
      cblas_dsymv(CblasColMajor, CblasLower, end - begin, 1, At(first + begin, first + begin), n_,
                  x + begin, 1, 0, sums + begin, 1);
      MultiplyBothWays(m - end, end - begin, At(first + end, first + begin), n_, x + begin, x + end,
                       sums + end, sums + begin);
    });
    std::copy_n(sums_.begin(), m, y);
    for (int s = 1; s < kStrips; ++s) {
      const double* sums = sums_.data() + static_cast<ptrdiff_t>(s) * n_;
      for (int i = cuts[s]; i < m; ++i) y[i] += sums[i];
    }
  }

  // The rest of the matrix -= V W^T + W V^T, for the panel's reflectors V and updates W.
  void UpdateRest(int first) {
    const int rest = first + kPanel;
    tbb::parallel_for(0, (n_ - rest + kStripWidth - 1) / kStripWidth, [&](int strip) {
      const int begin = rest + strip * kStripWidth;
      const int end = std::min(begin + kStripWidth, n_);
      const double* v = At(begin, first);
      const double* w = UpdateAt(begin, 0);
      cblas_dsyr2k(CblasColMajor, CblasLower, CblasNoTrans, end - begin, kPanel, -1, v, n_, w, n_,
                   1, At(begin, begin), n_);
      if (end == n_) return;
      cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, n_ - end, end - begin, kPanel, -1,
                  At(end, first), n_, w, n_, 1, At(end, begin), n_);
      cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, n_ - end, end - begin, kPanel, -1,
                  UpdateAt(end, 0), n_, v, n_, 1, At(end, begin), n_);
    });
  }

  int n_;
  double* matrix_;
  double* diagonal_;
  double* beside_;
  double* factors_;
  std::vector<double> updates_ = std::vector<double>(static_cast<size_t>(n_) * kPanel);
  std::vector<double> sums_ = std::vector<double>(static_cast<size_t>(n_) * kStrips);
};

}  // namespace

int Tridiagonalise(int n, int threads, const std::stop_token& stop, double* matrix,
                   double* diagonal, double* beside, double* factors) {
  return tbb::task_arena(threads).execute(
      [&] { return Tridiagonalisation(n, matrix, diagonal, beside, factors).Run(stop); });
}

}  // namespace pomona::reduce
