// How non-local means with 32-bit sums lays its planes out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <hwy/aligned_allocator.h>
#include <hwy/base.h>

#include "pomona/image/kernels/border.h"
#include "pomona/image/kernels/nlm_bands.h"

namespace pomona::image {

inline constexpr size_t kMostLanes = 16;  // of 32 bits

// Weights are worked out from this column on, 10 of which matter, so that those of column 0 are
// aligned; sums down columns from 3 before.
inline constexpr int kFirstWeight = -static_cast<int>(kMostLanes);
inline constexpr int kFirstColumn = kFirstWeight - kPatchHalf;

// How many rows are worked on at once: so many that few sums are made from scratch, so few that
// all stays in the cache.
inline constexpr int kStrip = 32;
inline constexpr int kPlaneRows = kStrip + kSearchHalf + 2 * kPatch;
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

// Rows of so many numbers of 32 bits, aligned.
class Rows {
 public:
  Rows(size_t stride, size_t count) : stride_(stride), memory_(SpareMemory::Take(stride * count)) {
    std::fill_n(memory_.values.get(), stride * count, 0);
  }
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

// Whole vectors that hold a row from kFirstColumn on, and what is read beyond.
inline size_t RowSize(int width) {
  return static_cast<size_t>(width) / kMostLanes * kMostLanes + 8 * kMostLanes;
}

// Some rows of an image and of what surrounds it, two levels a pixel: the halves of 32 bits.
class PairPlane {
 public:
  // A pixel's levels are those at (x, y) of `first` and at (x + dx, y + dy) of `second`.
  // Column `aligned` is at the beginning of a vector.
  PairPlane(const PlaneSet& planes, const uint8_t* first, const uint8_t* second, int dx, int dy,
            int aligned)
      : left_(static_cast<int>(2 * kMostLanes) - aligned % static_cast<int>(kMostLanes)),
        height_(planes.height),
        first_(first),
        second_(second),
        dx_(static_cast<size_t>(dx)),
        dy_(dy),
        rows_(RowSize(planes.width) + 2 * kMostLanes, kPlaneRows) {
    for (int i = 0; i <= static_cast<int>(rows_.stride()); ++i) {
      columns_.push_back(static_cast<size_t>(Reflect(i - left_, planes.width)));
    }
    width_ = static_cast<size_t>(planes.width);
  }

  // From here on holds rows from `begin` on.
  void Fill(int begin) {
    begin_ = begin;
    for (int i = 0; i < kPlaneRows; ++i) {
      const uint8_t* a = Source(first_, begin + i);
      const uint8_t* b = Source(second_, begin + i + dy_);
      int32_t* HWY_RESTRICT to = rows_[static_cast<size_t>(i)];
      const auto pair_at = [&](size_t x) { return a[columns_[x]] | b[columns_[x + dx_]] << 16; };
      // Between the edges nothing is mirrored.
      const auto left = static_cast<size_t>(left_);
      const size_t whole = width_ - dx_;
      for (size_t x = 0; x < left; ++x) to[x] = pair_at(x);
      for (size_t x = 0; x < whole; ++x) to[left + x] = a[x] | b[x + dx_] << 16;
      for (size_t x = left + whole; x < left + width_ + kBeyond; ++x) to[x] = pair_at(x);
    }
  }

  // The pixel at the left of row `y`.
  const int32_t* Row(int y) const { return rows_[static_cast<size_t>(y - begin_)] + left_; }

 private:
  const uint8_t* Source(const uint8_t* plane, int y) const {
    return plane + static_cast<size_t>(Reflect(y, height_)) * width_;
  }

  // Columns to the right that patches come to, and what fills vectors.
  static constexpr size_t kBeyond = 3 * kMostLanes;

  int left_;
  int height_;
  size_t width_;
  const uint8_t* first_;
  const uint8_t* second_;
  size_t dx_;
  int dy_;
  int begin_ = 0;
  Rows rows_;
  std::vector<size_t> columns_;
};

}  // namespace pomona::image
