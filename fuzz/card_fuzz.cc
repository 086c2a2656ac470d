// Any bytes as a model card.
#include <cstddef>
#include <cstdint>

#include "memory_file.h"
#include "pomona/model/card.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const pomona::fuzz::MemoryFile file({data, size});
  const auto card = pomona::model::ReadCard(file.path());
  if (card.ok()) (void)card->Identity().dump();
  return 0;
}
