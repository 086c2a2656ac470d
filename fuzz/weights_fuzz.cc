// Weights files: safetensors and both pickled layouts. The first byte chooses the reader.
#include <cstddef>
#include <cstdint>
#include <span>

#include "pomona/model/pickle.h"
#include "pomona/model/weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> file(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      (void)pomona::model::ParseSafetensors(file);
      break;
    case 1:
      (void)pomona::model::ParseTorchLegacy(file);
      break;
    default:
      if (const auto pickle = pomona::model::Pickle::Load(file); pickle.ok()) {
        (void)pickle->StateDict();
        (void)pickle->Texts();
      }
  }
  return 0;
}
