// Any bytes as a dataset's manifest: what is read can be written, and is then read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "pomona/dataset/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pomona::dataset;
  const auto manifest = ParseManifest(std::string(data, data + size));
  if (!manifest.ok()) {
    if (manifest.status().message().empty()) std::abort();
    return 0;
  }
  const std::string text = ToText(*manifest);
  const auto again = ParseManifest(text);
  if (!again.ok() || ToText(*again) != text || again->parts != manifest->parts) std::abort();
  (void)CheckSameContract(*manifest, *again, "there");
  return 0;
}
