// How non-local means lays its planes out.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <hwy/aligned_allocator.h>
#include <hwy/base.h>

#include "pomona/image/kernels/border.h"

namespace pomona::image {

inline constexpr int kPatch = 7;
inline constexpr int kPatchHalf = kPatch / 2;
inline constexpr int kSearch = 21;
inline constexpr int kSearchHalf = kSearch / 2;
inline constexpr int kMargin = kPatchHalf + kSearchHalf;

// One or two planes of an image, with what they become.
struct PlaneSet {
  int width;
  int height;
  int channels;
  std::array<const uint8_t*, 2> from;
  std::array<uint8_t*, 2> to;
};

// How many rows are worked on at once: so many that little is made twice, so few that all stays
// in the cache.
inline constexpr int kStrip = 40;
// No patch comes near this, and 7 of it fit into 31 bits.
inline constexpr int32_t kFar = 1 << 28;

// Memory that a thread keeps from image to image: pages that are new to it cost more than to fill
// them.
class SpareMemory {
 public:
  using Values = hwy::AlignedFreeUniquePtr<int32_t[]>;
  struct Block {
    size_t size = 0;
    Values values;
  };

  // Of `size` numbers or more.
  static Block Take(size_t size) {
    std::vector<Block>& spare = Spare();
    Block* best = nullptr;
    for (Block& block : spare) {
      if (block.size >= size && (best == nullptr || block.size < best->size)) best = &block;
    }
    if (best != nullptr) {
      std::swap(*best, spare.back());
      Block found = std::move(spare.back());
      spare.pop_back();
      return found;
    }
    // One too small will be in the way of what images like this one need.
    if (!spare.empty()) spare.pop_back();
    return {size, hwy::AllocateAligned<int32_t>(size)};
  }

  static void Return(Block block) { Spare().push_back(std::move(block)); }

 private:
  static std::vector<Block>& Spare() {
    thread_local std::vector<Block> spare;
    return spare;
  }
};

// Rows of so many numbers of 32 bits, aligned; whatever these are.
class Rows {
 public:
  Rows(size_t stride, size_t count) : stride_(stride), memory_(SpareMemory::Take(stride * count)) {}
  ~Rows() {
    if (memory_.values) SpareMemory::Return(std::move(memory_));
  }
  Rows(Rows&&) = default;
  Rows& operator=(Rows&&) = delete;

  int32_t* operator[](size_t row) { return memory_.values.get() + row * stride_; }
  const int32_t* operator[](size_t row) const { return memory_.values.get() + row * stride_; }
  size_t stride() const { return stride_; }

 private:
  size_t stride_;
  SpareMemory::Block memory_;
};

// The rows here begin at column -kMargin and are cut into as many stretches as vectors have lanes:
// vector t holds the t-th pixel of each. So a pixel's neighbours are in the same lane of
// neighbouring vectors, and nothing crosses lanes within a row. Rows may also have up to kBeyond
// vectors before the first and after the last, which hold what the stretches before and after begin
// and end with.
inline constexpr int kBeyond = kMargin;

// How many vectors a row of `width` pixels takes.
inline int Steps(int width, size_t lanes) {
  const auto pixels = static_cast<size_t>(width) + size_t{2} * kMargin;
  return std::max(static_cast<int>((pixels + lanes - 1) / lanes), kBeyond);
}

// A plane of levels in stretches, with one vector before them, and `beyond` after.
class StretchedPlane {
 public:
  StretchedPlane(const uint8_t* plane, int width, int height, size_t lanes)
      : StretchedPlane(plane, width, height, lanes, Steps(width, lanes), 1) {}
  StretchedPlane(const uint8_t* plane, int width, int height, size_t lanes, int steps, int beyond)
      : height_(height),
        vectors_(static_cast<size_t>(steps) + 1 + static_cast<size_t>(beyond)),
        lanes_(lanes),
        levels_(vectors_ * lanes * static_cast<size_t>(height)) {
    const auto length = static_cast<size_t>(steps);
    std::vector<int32_t> columns(vectors_ * lanes);
    for (size_t i = 0; i < columns.size(); ++i) {
      const size_t column = i % lanes * length + i / lanes;
      columns[i] = Reflect(static_cast<int>(column) - kMargin - 1, width);
    }
    uint8_t* HWY_RESTRICT to = levels_.data();
    for (int y = 0; y < height; ++y) {
      const uint8_t* from = plane + static_cast<size_t>(y) * static_cast<size_t>(width);
      for (const int32_t column : columns) *to++ = from[column];
    }
  }

  // Vector 0 of row `y`, mirrored beyond the edges.
  const uint8_t* Row(int y) const {
    return levels_.data() + (static_cast<size_t>(Reflect(y, height_)) * vectors_ + 1) * lanes_;
  }

 private:
  int height_;
  size_t vectors_;
  size_t lanes_;
  std::vector<uint8_t> levels_;
};

}  // namespace pomona::image
