// Numbers as weight files store them. Internal to the readers of weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pomona/base/status.h"

namespace pomona::model {

enum class ElementType { kF16, kBf16, kF32, kF64, kOther };

// Bytes an element takes; 0 for kOther, which is never converted.
int64_t ElementSize(ElementType type);

// The product of `shape`; an error when a size is negative or the product exceeds 2^40.
Result<int64_t> CountElements(const std::vector<int64_t>& shape);

// Little-endian elements, one after the other -> float32.
std::vector<float> ToFloats(ElementType type, std::span<const uint8_t> bytes);

// The elements of a strided view (offset and strides in elements, every index inside `bytes`) in
// row-major order.
std::vector<float> ToFloats(ElementType type, std::span<const uint8_t> bytes, int64_t offset,
                            const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);

// Sees to it that the tensors of one file take, converted, at most four times the file's size.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t file_size) : left_(file_size) {}
  Status Take(int64_t elements);

 private:
  uint64_t left_;
};

}  // namespace pomona::model
