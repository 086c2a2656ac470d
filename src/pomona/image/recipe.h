// Everything between the bytes of an image and the tensor a network sees, but for the network's
// own normalisation (that belongs to its card).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "pomona/base/profile.h"
#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/image/decode.h"
#include "pomona/image/image.h"

namespace pomona::image {

enum class ResizeMethod {
  kBilinear,     // OpenCV INTER_LINEAR, 8-bit fixed point
  kArea,         // OpenCV INTER_AREA
  kBicubic,      // OpenCV INTER_CUBIC
  kPilBilinear,  // Pillow BILINEAR: widens its filter when it shrinks
};

enum class DenoiseMethod {
  kNone,
  kGaussian,   // OpenCV GaussianBlur 3x3
  kMedian,     // OpenCV medianBlur 3x3
  kBilateral,  // OpenCV bilateralFilter, d = 5, both sigmas 50
  kNlm,        // OpenCV fastNlMeansDenoisingColored, h = hColor, template 7, search 21
};

struct Denoise {
  DenoiseMethod method = DenoiseMethod::kNlm;
  float h = 3;  // filter strength, kNlm only

  bool operator==(const Denoise&) const = default;
};

struct Recipe {
  int width = 224;  // pixels the network sees; taken from its card
  int height = 224;
  ResizeMethod resize = ResizeMethod::kBilinear;
  Denoise denoise;
  JpegPolicy jpeg_policy = JpegPolicy::kStrict;

  bool operator==(const Recipe&) const = default;
};

// "bilinear" "area" "bicubic" "pil-bilinear"; UsageError that lists them.
Result<ResizeMethod> ParseResize(std::string_view text);
std::string ToString(ResizeMethod method);
// "none" "gaussian" "median" "bilateral" "nlm" "nlm:H" (0 < H <= 100); UsageError that lists them.
Result<Denoise> ParseDenoise(std::string_view text);
std::string ToString(const Denoise& denoise);

// {"denoise": "nlm:3", "height": 224, "jpeg_policy": "strict", "resize": "bilinear", "version": 1,
// "width": 224}. `version` counts changes of this code that change pixels.
nlohmann::json ToJson(const Recipe& recipe);
Result<Recipe> RecipeFromJson(const nlohmann::json& json);

// Decoded image -> recipe.width x recipe.height. Thread-safe. `profile`, if any, gets the stages
// "resize" and "denoise" of `subject`.
Image Prepare(const Image& decoded, const Recipe& recipe, Profile* profile = nullptr,
              const std::string& subject = {});

}  // namespace pomona::image
