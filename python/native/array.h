// What C++ holds as Python objects, and back.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace pomona::python {

// rows x columns, row-major. Taken as it is (noconvert): a conversion would cost digits or a copy
// that nobody sees.
template <typename T>
using Table =
    nanobind::ndarray<const T, nanobind::ndim<2>, nanobind::c_contig, nanobind::device::cpu>;

// A NumPy array of this shape that owns `values`, which are not copied.
template <typename T, size_t kDimensions>
nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<kDimensions>, nanobind::c_contig> ToArray(
    std::vector<T> values, const size_t (&shape)[kDimensions]) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = kept->data();
  const nanobind::capsule owner(
      kept.get(), [](void* vector) noexcept { delete static_cast<std::vector<T>*>(vector); });
  static_cast<void>(kept.release());
  return {data, kDimensions, shape, owner};
}

template <typename T>
auto ToArray(std::vector<T> values) {
  const size_t shape[] = {values.size()};
  return ToArray<T, 1>(std::move(values), shape);
}

inline nanobind::bytes ToBytes(std::string_view text) {
  return nanobind::bytes(text.data(), text.size());
}
inline std::string_view View(const nanobind::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

}  // namespace pomona::python
