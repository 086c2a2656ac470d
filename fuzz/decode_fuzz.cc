// Any bytes -> Decode -> Prepare. The last byte chooses the recipe, so that image files are inputs
// as they are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "pomona/image/decode.h"
#include "pomona/image/recipe.h"

namespace {

using pomona::image::DenoiseMethod;
using pomona::image::Image;
using pomona::image::Recipe;
using pomona::image::ResizeMethod;

// Small, so that many inputs are tried.
constexpr pomona::image::DecodeLimits kLimits = {
    .max_pixels = 1 << 18, .max_bytes = 1 << 20, .max_scans = 100};

Recipe ChooseRecipe(uint8_t choice) {
  Recipe recipe;
  recipe.width = 1 + choice % 7 * 5;
  recipe.height = 1 + choice % 5 * 7;
  recipe.resize = static_cast<ResizeMethod>(choice % 4);
  recipe.denoise.method = static_cast<DenoiseMethod>(choice / 4 % 5);
  recipe.denoise.h = choice < 128 ? 3.0F : 10.0F;
  return recipe;
}

bool IsConsistent(const Image& image) {
  return image.width > 0 && image.height > 0 &&
         image.rgb.size() ==
             size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto decoded = pomona::image::Decode({data, size}, kLimits);
  if (!decoded.ok()) {
    if (decoded.rejection().detail.empty()) std::abort();
    return 0;
  }
  const Image& image = decoded.value();
  if (!IsConsistent(image)) std::abort();
  const Recipe recipe = ChooseRecipe(data[size - 1]);
  const Image prepared = pomona::image::Prepare(image, recipe);
  if (!IsConsistent(prepared) || prepared.width != recipe.width) std::abort();
  return 0;
}
