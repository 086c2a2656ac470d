#include "pomona/reduce/moments.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>

#include <cblas.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "pomona/base/cbor.h"
#include "pomona/base/large_pages.h"
#include "pomona/reduce/blas.h"
#include "pomona/reduce/triangle.h"

namespace pomona::reduce {
namespace {

// Small enough for a block of 2,048 columns to stay in the L2 cache between its two passes.
constexpr int64_t kBlockRows = 256;

// OpenBLAS multiplies 256 or 384 rows at a time, depending on the CPU, and makes two small panels
// of what is left: a multiple of both saves 7 % (MomentsAdd in pca_bench, at 1,280 columns).
constexpr int64_t kEvenRows = 768;

// D then takes 8 TB: bytes that say so are damaged.
constexpr uint32_t kLargestDimension = 1 << 20;

// The upper triangle of `matrix` += rows^T rows, in strips of equal area.
class Product {
 public:
  Product(std::span<const double> rows, int dimension, double* matrix)
      : rows_(rows.data()),
        count_(static_cast<int>(rows.size() / dimension)),
        dimension_(dimension),
        matrix_(matrix) {}

  void Run() const {
    // Outside of an arena TBB would use all CPUs.
    if (tbb::this_task_arena::current_thread_index() == tbb::task_arena::not_initialized) {
      for (int strip = 0; strip < kStrips; ++strip) Add(strip);
      return;
    }
    // A thread that waits for a strip must not begin something else that takes longer.
    tbb::this_task_arena::isolate(
        [this] { tbb::parallel_for(0, kStrips, [this](int strip) { Add(strip); }); });
  }

 private:
  static constexpr int kStrips = 2;
  static constexpr int kEven = 32;  // cuts between tiles of OpenBLAS' kernels

  int Cut(int strip) const { return TriangleCut(dimension_, strip, kStrips, kEven); }

  void Add(int strip) const {
    const int begin = Cut(strip);
    const int end = Cut(strip + 1);
    double* out = matrix_ + static_cast<ptrdiff_t>(begin) * dimension_;
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, end - begin, count_, 1, rows_ + begin,
                dimension_, 1, out + begin, dimension_);
    if (begin == end || end == dimension_) return;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, end - begin, dimension_ - end, count_, 1,
                rows_ + begin, dimension_, rows_ + end, dimension_, 1, out + end, dimension_);
  }

  const double* rows_;
  int count_;
  int dimension_;
  double* matrix_;
};

}  // namespace

Moments::Moments(int dimension) : dimension_(dimension), origin_(dimension), offset_(dimension) {
  UseOneBlasThread();
}

template <typename T>
void Moments::AddRows(const T* features, int64_t rows) {
  // At most dimension / 2 rows before a block, and each block brings one row of Shift.
  const int64_t most = dimension_ / 2 + kBlockRows + 1;
  const auto there = static_cast<int64_t>(rows_.size()) / dimension_;
  const auto needed =
      static_cast<size_t>(std::min(there + rows + rows / kBlockRows + 1, most) * dimension_);
  rows_.reserve(needed);
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    AddBlock(features + first * dimension_, std::min(kBlockRows, rows - first));
  }
}

template <typename T>
std::vector<double> Moments::MeanFromOrigin(const T* features, int64_t rows) const {
  std::vector<double> mean(dimension_);
  const double* origin = origin_.data();
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {  // four at a time: the sums are read and written less often
    const T* a = features + i * dimension_;
    const T* b = a + dimension_;
    const T* c = b + dimension_;
    const T* d = c + dimension_;
    for (int j = 0; j < dimension_; ++j) {
      mean[j] +=
          ((a[j] - origin[j]) + (b[j] - origin[j])) + ((c[j] - origin[j]) + (d[j] - origin[j]));
    }
  }
  for (; i < rows; ++i) {
    const T* row = features + i * dimension_;
    for (int j = 0; j < dimension_; ++j) mean[j] += row[j] - origin[j];
  }
  for (double& m : mean) m /= static_cast<double>(rows);
  return mean;
}

template <typename T>
void Moments::AddBlock(const T* features, int64_t rows) {
  if (n_ == 0) std::copy_n(features, dimension_, origin_.begin());
  std::vector<double> delta = MeanFromOrigin(features, rows);
  if (rows > 1) {  // a single row less its mean is 0
    // The rounding of the centre, at most eps times the mean, enters M2 squared: it is nothing.
    std::vector<double> centre(dimension_);
    std::transform(origin_.begin(), origin_.end(), delta.begin(), centre.begin(), std::plus<>());
    const size_t start = rows_.size();
    rows_.resize(start + static_cast<size_t>(rows) * dimension_);
    for (int64_t i = 0; i < rows; ++i) {
      const T* row = features + i * dimension_;
      double* out = rows_.data() + start + static_cast<size_t>(i) * dimension_;
      for (int j = 0; j < dimension_; ++j) out[j] = row[j] - centre[j];
    }
  }
  for (int j = 0; j < dimension_; ++j) delta[j] -= offset_[j];
  Shift(delta, rows);
  FoldIfFull();
}

template void Moments::AddRows(const float* features, int64_t rows);
template void Moments::AddRows(const double* features, int64_t rows);

Moments Moments::Merge(Moments other) {
  if (n_ == 0) {
    std::swap(*this, other);
  } else if (other.n_ > 0) {
    Absorb(&other);
  }
  other.Clear();
  return other;
}

void Moments::Absorb(Moments* other) {
  std::vector<double> delta(dimension_);
  for (int j = 0; j < dimension_; ++j) {
    delta[j] = (other->origin_[j] - origin_[j]) + (other->offset_[j] - offset_[j]);
  }
  Shift(delta, other->n_);
  rows_.insert(rows_.end(), other->rows_.begin(), other->rows_.end());
  if (dense_.empty()) {
    std::swap(dense_, other->dense_);
  } else if (!other->dense_.empty()) {
    for (int i = 0; i < dimension_; ++i) {
      const size_t diagonal = static_cast<size_t>(i) * (dimension_ + 1);
      cblas_daxpy(dimension_ - i, 1, other->dense_.data() + diagonal, 1, dense_.data() + diagonal,
                  1);
    }
  }
  FoldIfFull();
}

void Moments::Clear() {
  n_ = 0;
  std::ranges::fill(offset_, 0);
  rows_.clear();
  dense_.clear();
}

void Moments::Shift(const std::vector<double>& delta, int64_t m) {
  const auto before = static_cast<double>(n_);
  const double share = static_cast<double>(m) / (before + static_cast<double>(m));
  if (n_ > 0) {
    const double weight = std::sqrt(before * share);
    for (const double d : delta) rows_.push_back(weight * d);
  }
  for (int j = 0; j < dimension_; ++j) offset_[j] += share * delta[j];
  n_ += m;
}

void Moments::FoldIfFull() {
  const int64_t most = dimension_ / 2;
  const auto rows = static_cast<int64_t>(rows_.size()) / dimension_;
  if (rows <= most) return;
  const int64_t rest = rows % kEvenRows;
  FoldFirst(rest <= most ? rows - rest : rows);
}

void Moments::Fold() { FoldFirst(static_cast<int64_t>(rows_.size()) / dimension_); }

void Moments::FoldFirst(int64_t rows) {
  if (dense_.empty()) {
    dense_.resize(static_cast<size_t>(dimension_) * dimension_);
    PreferLargePages(dense_.data(), dense_.size() * sizeof(double));
    for (int i = 0; i < dimension_; ++i) {
      std::fill_n(dense_.begin() + static_cast<ptrdiff_t>(i) * (dimension_ + 1), dimension_ - i, 0);
    }
  }
  const int64_t count = rows * dimension_;
  Product(std::span(rows_).first(count), dimension_, dense_.data()).Run();
  rows_.erase(rows_.begin(), rows_.begin() + count);
}

std::string Moments::ToBytes() const {
  Numbers triangle;
  for (int i = 0; i < dimension_ && !dense_.empty(); ++i) {
    const auto row = dense_.begin() + static_cast<ptrdiff_t>(i) * dimension_;
    triangle.insert(triangle.end(), row + i, row + dimension_);
  }
  return ToCbor({{"dimension", dimension_},
                 {"n", n_},
                 {"origin", BinaryNumbers(origin_)},
                 {"offset", BinaryNumbers(offset_)},
                 {"rows", BinaryNumbers(rows_)},
                 {"row_count", rows_.size() / dimension_},
                 {"triangle", BinaryNumbers(triangle)}});
}

Result<Moments> Moments::FromBytes(std::string_view bytes) {
  return FromCbor(bytes, "moments", [](const nlohmann::json& j) {
    const auto d = j.at("dimension").get<uint32_t>();
    if (d < 1 || d > kLargestDimension) {
      throw nlohmann::json::type_error::create(302, "has no dimension that can be", &j);
    }
    Moments moments(static_cast<int>(d));
    moments.n_ = j.at("n").get<int64_t>();
    moments.origin_ = FromBinaryNumbers<std::vector<double>>(j.at("origin"), d);
    moments.offset_ = FromBinaryNumbers<std::vector<double>>(j.at("offset"), d);
    moments.rows_ = FromBinaryNumbers<Numbers>(j.at("rows"), j.at("row_count").get<size_t>() * d);
    if (j.at("triangle").get_binary().empty()) return moments;
    const auto triangle = FromBinaryNumbers<Numbers>(j.at("triangle"), size_t{d} * (d + 1) / 2);
    moments.dense_.resize(size_t{d} * d);
    auto from = triangle.begin();
    for (size_t i = 0; i < d; ++i) {
      const auto count = static_cast<ptrdiff_t>(d - i);
      std::copy_n(from, count, moments.dense_.begin() + static_cast<ptrdiff_t>(i * (d + 1)));
      from += count;
    }
    return moments;
  });
}

std::vector<double> Moments::mean() const {
  std::vector<double> mean(dimension_);
  std::transform(origin_.begin(), origin_.end(), offset_.begin(), mean.begin(), std::plus<>());
  return mean;
}

Moments::Numbers Moments::m2() && {
  Fold();
  return std::move(dense_);
}

std::vector<double> Moments::m2_diagonal() const {
  std::vector<double> diagonal(dimension_);
  for (size_t i = 0; i < rows_.size(); i += dimension_) {
    for (int j = 0; j < dimension_; ++j) diagonal[j] += rows_[i + j] * rows_[i + j];
  }
  for (size_t j = 0; j < diagonal.size() && !dense_.empty(); ++j) {
    diagonal[j] += dense_[j * dimension_ + j];
  }
  return diagonal;
}

}  // namespace pomona::reduce
