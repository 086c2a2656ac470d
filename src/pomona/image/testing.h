// Helpers of this room's tests. Not part of the library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pomona/image/image.h"
#include "pomona/testing/npz.h"
#include "pomona/testing/targets.h"

namespace pomona::image {

inline std::string Golden(const std::string& name) {
  return std::string(POMONA_SOURCE_DIR) + "/tests/golden/" + name;
}

// An array of a golden file, read once.
inline const testing::NpyArray& GoldenArray(const std::string& file, const std::string& name) {
  static std::map<std::pair<std::string, std::string>, testing::NpyArray> arrays;
  const auto key = std::pair(file, name);
  const auto found = arrays.find(key);
  if (found != arrays.end()) return found->second;
  return arrays.emplace(key, testing::LoadNpz(Golden(file), name)).first->second;
}

// The u8 array `name` (height x width x 3), or its entry `i` if it has four dimensions.
inline Image LoadImage(const std::string& file, const std::string& name, int64_t i = 0) {
  const testing::NpyArray& array = GoldenArray(file, name);
  const size_t n = array.shape.size();
  Image image;
  image.height = static_cast<int>(array.shape.at(n - 3));
  image.width = static_cast<int>(array.shape.at(n - 2));
  const int64_t size = int64_t{3} * image.width * image.height;
  const auto* from = array.data<uint8_t>() + i * size;
  image.rgb.assign(from, from + size);
  return image;
}

inline std::vector<uint8_t> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// How two images of one size differ, value by value.
struct Difference {
  int64_t unequal = 0;
  int largest = 0;
  double share = 0;  // of values that are unequal
  double mean = 0;   // absolute
};

inline Difference Compare(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.rgb.size() != b.rgb.size()) {
    throw std::runtime_error("images of different sizes");
  }
  Difference difference;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const int d = std::abs(a.rgb[i] - b.rgb[i]);
    difference.unequal += d != 0;
    difference.largest = std::max(difference.largest, d);
    difference.mean += d;
  }
  const auto n = static_cast<double>(a.rgb.size());
  difference.share = static_cast<double>(difference.unequal) / n;
  difference.mean /= n;
  return difference;
}

// Noise that is the same in every run.
inline Image Noise(int width, int height, uint32_t seed = 1) {
  Image image{width, height, {}};
  image.rgb.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  for (uint8_t& value : image.rgb) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<uint8_t>(seed >> 24);
  }
  return image;
}

}  // namespace pomona::image
