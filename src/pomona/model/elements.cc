#include "pomona/model/elements.h"

#include <bit>
#include <cstring>

#include <openvino/core/type/float16.hpp>

namespace pomona::model {
namespace {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian");

constexpr int64_t kMaxElements = int64_t{1} << 40;

template <typename T>
T LoadAs(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

float LoadElement(ElementType type, const uint8_t* at) {
  switch (type) {
    case ElementType::kF16:
      return static_cast<float>(ov::float16::from_bits(LoadAs<uint16_t>(at)));
    case ElementType::kBf16:
      return std::bit_cast<float>(static_cast<uint32_t>(LoadAs<uint16_t>(at)) << 16);
    case ElementType::kF32:
      return LoadAs<float>(at);
    case ElementType::kF64:
      return static_cast<float>(LoadAs<double>(at));
    case ElementType::kOther:
      break;
  }
  return 0;
}

// Whether the view is simply its elements one after the other.
bool IsContiguous(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

}  // namespace

int64_t ElementSize(ElementType type) {
  switch (type) {
    case ElementType::kF16:
    case ElementType::kBf16:
      return 2;
    case ElementType::kF32:
      return 4;
    case ElementType::kF64:
      return 8;
    case ElementType::kOther:
      break;
  }
  return 0;
}

Result<int64_t> CountElements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0 || size > kMaxElements) return Status::Invalid("impossible size ", size);
    if (size > 0 && count > kMaxElements / size) return Status::Invalid("impossibly large");
    count *= size;
  }
  return count;
}

std::vector<float> ToFloats(ElementType type, std::span<const uint8_t> bytes) {
  const int64_t size = ElementSize(type);
  if (size == 0) return {};
  std::vector<float> out(bytes.size() / static_cast<size_t>(size));
  if (type == ElementType::kF32 && !out.empty()) {
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
    return out;
  }
  const uint8_t* at = bytes.data();
  for (float& value : out) {
    value = LoadElement(type, at);
    at += size;
  }
  return out;
}

std::vector<float> ToFloats(ElementType type, std::span<const uint8_t> bytes, int64_t offset,
                            const std::vector<int64_t>& shape,
                            const std::vector<int64_t>& strides) {
  const int64_t size = ElementSize(type);
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  if (count == 0 || size == 0) return {};
  if (IsContiguous(shape, strides)) {
    return ToFloats(
        type, bytes.subspan(static_cast<size_t>(offset * size), static_cast<size_t>(count * size)));
  }
  std::vector<float> out(static_cast<size_t>(count));
  std::vector<int64_t> index(shape.size(), 0);
  int64_t at = offset;
  for (float& value : out) {
    value = LoadElement(type, bytes.data() + at * size);
    for (size_t d = shape.size(); d-- > 0;) {  // the next index, last dimension fastest
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return out;
}

Status MemoryBudget::Take(int64_t elements) {
  if (elements < 0 || static_cast<uint64_t>(elements) > left_) {
    return Status::Invalid("its tensors are larger than a file of this size can hold");
  }
  left_ -= static_cast<uint64_t>(elements);
  return Status::OK();
}

}  // namespace pomona::model
