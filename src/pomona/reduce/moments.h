// Count, mean and centred second moments, exactly mergeable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/status.h"

namespace pomona::reduce {

// n, mean and M2 = sum (x - mean)(x - mean)^T in fp64. Rows are centred on their block's own mean
// before they are multiplied, and blocks are merged by Chan, Golub and LeVeque (1979), so a large
// mean costs no digits (E[xy] - E[x]E[y] would lose them all).
// Ref: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances", Stanford STAN-CS-79-773.
//
// M2 is held as R^T R + D. R collects centred rows and, for each merge of two blocks of n and m
// rows, the row sqrt(n m / (n + m)) (mean2 - mean1). When R has more than dimension / 2 rows it is
// multiplied into the dense matrix D. So few images with many numbers each stay a thin matrix,
// whose singular vectors are cheap, and many images never take more memory than D and R.
class Moments {
  // New numbers of a vector stay as they come: each is written before it is read, and filling
  // tens of MB with zeros first costs as much as computing them.
  struct Unfilled : std::allocator<double> {
    template <typename T>
    struct rebind {
      using other = Unfilled;
    };
    void construct(double* /*number*/) noexcept {}
    void construct(double* number, double value) noexcept { *number = value; }
  };

 public:
  using Numbers = std::vector<double, Unfilled>;

  explicit Moments(int dimension);  // at least 1

  // Adds rows x dimension numbers, row-major, in blocks of 256 rows. The result depends on the
  // blocks and their order, not on threads, nor on which of the two types holds the same numbers.
  // A value that is not finite makes the mean of its column NaN.
  void Add(const float* features, int64_t rows) { AddRows(features, rows); }
  void Add(const double* features, int64_t rows) { AddRows(features, rows); }

  // The moments of both sets of rows together. `other` has the same dimension. Gives moments of no
  // rows, in the memory of `other`: using it again costs less than new pages.
  Moments Merge(Moments other);

  // Multiplies R into D now, so that merging these moments into others costs an addition only.
  void Fold();

  // Everything, to the last bit, for another process; and back. An error if these are not the bytes
  // of moments.
  std::string ToBytes() const;
  static Result<Moments> FromBytes(std::string_view bytes);

  int dimension() const { return dimension_; }
  int64_t n() const { return n_; }
  std::vector<double> mean() const;  // zeros if n is 0

  // Upper triangle (row-major) of M2, dimension x dimension, in the memory of D; the rest is
  // unknown.
  Numbers m2() &&;
  std::vector<double> m2_diagonal() const;

  bool is_thin() const { return dense_.empty(); }         // D is 0: M2 = R^T R
  std::span<const double> rows() const { return rows_; }  // R, row-major

 private:
  template <typename T>
  void AddRows(const T* features, int64_t rows);
  template <typename T>
  void AddBlock(const T* features, int64_t rows);
  // Means of `rows` rows, relative to the origin.
  template <typename T>
  std::vector<double> MeanFromOrigin(const T* features, int64_t rows) const;
  // Appends the row that Chan's formula adds to R for `m` more rows whose mean is `delta` further
  // on, and moves the mean.
  void Shift(const std::vector<double>& delta, int64_t m);
  void Absorb(Moments* other);  // neither has no rows; may keep the memory of its D
  void Clear();                 // but for the memory
  void FoldIfFull();
  void FoldFirst(int64_t rows);  // of R

  int dimension_;
  int64_t n_ = 0;
  // The mean is origin + offset, the origin being the first row: differences of floats are exact
  // in fp64, so the centred rows are as exact at a mean of 1e6 as at 0.
  std::vector<double> origin_;
  std::vector<double> offset_;
  Numbers rows_;   // R
  Numbers dense_;  // D, of which only the upper triangle is ever touched; empty while it is 0
};

}  // namespace pomona::reduce
