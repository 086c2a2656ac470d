// Reads the .npz golden files in tests. Not part of the library.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <zip.h>

namespace pomona::testing {

struct NpyArray {
  std::string dtype;  // numpy's descr: "|u1", "<f4", "<f8", "<i8"
  std::vector<int64_t> shape;
  std::vector<char> bytes;  // C order

  template <typename T>
  const T* data() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
};

// Turns a matrix stored column by column (Fortran order) into C order.
inline void TransposeToRows(NpyArray* array) {
  if (array->shape.size() != 2) throw std::runtime_error("Fortran order, and not a matrix");
  const auto rows = static_cast<size_t>(array->shape[0]);
  const auto columns = static_cast<size_t>(array->shape[1]);
  const size_t item = std::stoul(array->dtype.substr(2));
  std::vector<char> by_rows(array->bytes.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      const char* from = array->bytes.data() + (j * rows + i) * item;
      std::memcpy(by_rows.data() + (i * columns + j) * item, from, item);
    }
  }
  array->bytes = std::move(by_rows);
}

// The array `name` of the .npz file at `path`. Throws std::runtime_error when it is not there.
inline NpyArray LoadNpz(const std::string& path, const std::string& name) {
  int error = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_RDONLY, &error);
  if (zip == nullptr) throw std::runtime_error("cannot open " + path);
  zip_stat_t stat;
  const std::string member = name + ".npy";
  if (zip_stat(zip, member.c_str(), 0, &stat) != 0) {
    zip_discard(zip);
    throw std::runtime_error("no " + member + " in " + path);
  }
  std::vector<char> raw(stat.size);
  zip_file_t* file = zip_fopen(zip, member.c_str(), 0);
  const zip_int64_t read = zip_fread(file, raw.data(), raw.size());
  zip_fclose(file);
  zip_discard(zip);
  if (read != static_cast<zip_int64_t>(raw.size())) throw std::runtime_error("short " + member);

  const bool version1 = raw.at(6) == 1;
  uint32_t header_size = 0;
  std::memcpy(&header_size, raw.data() + 8, version1 ? 2 : 4);
  const size_t start = version1 ? 10 : 12;
  const std::string header(raw.data() + start, header_size);
  const bool by_columns = header.find("'fortran_order': False") == std::string::npos;
  NpyArray array;
  const size_t descr = header.find("'descr': '") + 10;
  array.dtype = header.substr(descr, header.find('\'', descr) - descr);
  size_t at = header.find("'shape': (") + 10;
  while (header[at] != ')') {
    if (header[at] >= '0' && header[at] <= '9') {
      size_t used = 0;
      array.shape.push_back(std::stoll(header.substr(at), &used));
      at += used;
    } else {
      ++at;
    }
  }
  array.bytes.assign(raw.begin() + static_cast<std::ptrdiff_t>(start + header_size), raw.end());
  if (by_columns) TransposeToRows(&array);
  return array;
}

}  // namespace pomona::testing
