// Count, mean and centred second moments, exactly mergeable.
#pragma once

#include <cstdint>
#include <vector>

namespace pomona::reduce {

// n, mean and M2 = sum (x - mean)(x - mean)^T in fp64. Rows are centred on their block's own mean
// before they are multiplied, and blocks are merged by Chan, Golub and LeVeque (1979), so a large
// mean costs no digits (E[xy] - E[x]E[y] would lose them all).
// Ref: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances", Stanford STAN-CS-79-773.
class Moments {
 public:
  explicit Moments(int dimension);

  // Adds rows x dimension floats, row-major, as one block. The result depends on the blocks and
  // their order, not on threads.
  void Add(const float* features, int64_t rows);
  // As if the blocks of `other` had been added after these.
  void Merge(const Moments& other);

  int dimension() const { return dimension_; }
  int64_t n() const { return n_; }
  const std::vector<double>& mean() const { return mean_; }

  // Upper triangle (row-major) of M2, dimension x dimension; the rest is 0.
  const std::vector<double>& m2() const { return m2_; }

 private:
  int dimension_;
  int64_t n_ = 0;
  std::vector<double> mean_;
  std::vector<double> m2_;
};

}  // namespace pomona::reduce
