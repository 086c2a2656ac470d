#include "pomona/model/weights.h"

#include <array>
#include <cstring>
#include <fstream>
#include <string_view>

namespace pomona::model {
namespace {

enum class Format { kHdf5, kZip, kPickle, kSafetensors, kUnknown };

// HDF5 1.x superblock signature; zip local file header; pickle protocol 2 and up; safetensors'
// header length (under 2^24 here) followed by the JSON's brace.
Format Recognise(const std::array<char, 9>& first) {
  const std::string_view bytes(first.data(), first.size());
  if (bytes.starts_with("\x89HDF\r\n\x1a\n")) return Format::kHdf5;
  if (bytes.starts_with("PK\x03\x04")) return Format::kZip;
  if (bytes[8] == '{' && bytes.substr(3, 5) == std::string_view("\0\0\0\0\0", 5)) {
    return Format::kSafetensors;
  }
  if (bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5) return Format::kPickle;
  return Format::kUnknown;
}

Result<std::array<char, 9>> FirstBytes(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return Status::IOError("it is not a file");
  std::array<char, 9> first = {};
  std::ifstream in(file, std::ios::binary);
  if (!in) return Status::IOError("cannot read it: ", std::strerror(errno));
  if (!in.read(first.data(), first.size())) return Status::Invalid("it is too short for weights");
  return first;
}

Result<std::vector<uint8_t>> WholeFile(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error) return Status::IOError("cannot read it: ", error.message());
  std::vector<uint8_t> bytes(size);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!in) return Status::IOError("cannot read it");
  return bytes;
}

Result<Tensors> ReadByFormat(const std::filesystem::path& file) {
  ARROW_ASSIGN_OR_RAISE(const auto first, FirstBytes(file));
  const Format format = Recognise(first);
  if (format == Format::kHdf5) return ReadKerasH5(file);
  if (format == Format::kZip) return ReadTorchZip(file);
  if (format == Format::kUnknown) {
    return Status::Invalid("it is neither Keras HDF5, nor safetensors, nor a PyTorch state dict");
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint8_t> bytes, WholeFile(file));
  return format == Format::kPickle ? ParseTorchLegacy(bytes) : ParseSafetensors(bytes);
}

}  // namespace

Result<Tensors> ReadWeights(const std::filesystem::path& file) {
  Result<Tensors> tensors = ReadByFormat(file);
  if (!tensors.ok()) return WithContext(tensors.status(), "weights file " + file.string());
  return tensors;
}

}  // namespace pomona::model
