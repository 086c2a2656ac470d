// Files of weights -> named tensors. Nothing in a file is ever executed, and no file makes a reader
// allocate more than a few times the file's own size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "pomona/base/status.h"

namespace pomona::model {

// Row-major, converted to float32 from whatever floating type the file has.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

// Told by the first bytes, not by the name: Keras HDF5, safetensors, or what torch.save writes.
// The error names the file.
Result<Tensors> ReadWeights(const std::filesystem::path& file);

// The legacy HDF5 layout of Keras (save_weights to .h5): root attribute `layer_names`, and in each
// layer's group `weight_names`. A tensor is called LAYER/WEIGHT, e.g. "conv1_conv/kernel", whether
// the file writes "kernel" or "kernel:0" and however deeply it nests.
Result<Tensors> ReadKerasH5(const std::filesystem::path& file);

// https://github.com/huggingface/safetensors, format section. Tensors that hold no floating-point
// numbers are left out.
Result<Tensors> ParseSafetensors(std::span<const uint8_t> file);

// What torch.save writes for a state dict: a zip with data.pkl and one file a storage (since
// PyTorch 1.6), or a row of pickles followed by the storages (before). Tensors that hold no
// floating-point numbers are left out.
Result<Tensors> ReadTorchZip(const std::filesystem::path& file);
Result<Tensors> ParseTorchLegacy(std::span<const uint8_t> file);

}  // namespace pomona::model
