#include "pomona/image/recipe.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "pomona/base/names.h"
#include "pomona/base/text.h"
#include "pomona/image/kernels/filter.h"
#include "pomona/image/kernels/nlm.h"
#include "pomona/image/kernels/resize.h"

namespace pomona::image {
namespace {

constexpr int kVersion = 1;
constexpr int kMaxSide = 4096;  // of what a network sees
constexpr float kMaxH = 100;

constexpr Names<ResizeMethod, 4> kResizeNames = {{
    {ResizeMethod::kBilinear, "bilinear"},
    {ResizeMethod::kArea, "area"},
    {ResizeMethod::kBicubic, "bicubic"},
    {ResizeMethod::kPilBilinear, "pil-bilinear"},
}};

constexpr Names<DenoiseMethod, 5> kDenoiseNames = {{
    {DenoiseMethod::kNone, "none"},
    {DenoiseMethod::kGaussian, "gaussian"},
    {DenoiseMethod::kMedian, "median"},
    {DenoiseMethod::kBilateral, "bilateral"},
    {DenoiseMethod::kNlm, "nlm"},
}};

Status UnknownDenoise(std::string_view text) {
  return UsageError("unknown denoising " + Quoted(text) +
                    ": use none, gaussian, median, bilateral, nlm or nlm:H with 0 < H <= 100");
}

Result<float> ParseH(std::string_view text, std::string_view whole) {
  float h = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), h);
  if (error != std::errc() || end != text.data() + text.size() || !(h > 0 && h <= kMaxH)) {
    return UnknownDenoise(whole);
  }
  return h;
}

// A whole number in [1, kMaxSide].
Result<int> ParseSide(const nlohmann::json& json, const char* key) {
  const nlohmann::json& value = json.at(key);
  if (!value.is_number_integer() || value < 1 || value > kMaxSide) {
    return Status::Invalid("recipe: \"", key, "\" must be a whole number from 1 to ", kMaxSide,
                           ", not ", value.dump());
  }
  return value.get<int>();
}

Status CheckFields(const nlohmann::json& json) {
  static const std::set<std::string> kFields = {"denoise", "height",  "jpeg_policy",
                                                "resize",  "version", "width"};
  if (!json.is_object()) return Status::Invalid("recipe: must be a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (!kFields.contains(key)) return Status::Invalid("recipe: unknown field \"", key, "\"");
  }
  for (const std::string& field : kFields) {
    if (!json.contains(field)) return Status::Invalid("recipe: field \"", field, "\" is missing");
  }
  for (const char* field : {"denoise", "jpeg_policy", "resize"}) {
    if (!json.at(field).is_string()) {
      return Status::Invalid("recipe: \"", field, "\" must be a string");
    }
  }
  if (json.at("version") != kVersion) {
    return Status::Invalid("recipe: version ", json.at("version").dump(),
                           " is not the one this program makes (", kVersion, ")");
  }
  return Status::OK();
}

Image Resize(const Image& image, const Recipe& recipe) {
  switch (recipe.resize) {
    case ResizeMethod::kBilinear:
      return ResizeBilinear(image, recipe.width, recipe.height);
    case ResizeMethod::kArea:
      return ResizeArea(image, recipe.width, recipe.height);
    case ResizeMethod::kBicubic:
      return ResizeBicubic(image, recipe.width, recipe.height);
    case ResizeMethod::kPilBilinear:
      break;
  }
  return ResizePilBilinear(image, recipe.width, recipe.height);
}

Image RemoveNoise(Image resized, const Denoise& denoise) {
  switch (denoise.method) {
    case DenoiseMethod::kNone:
      break;
    case DenoiseMethod::kGaussian:
      return GaussianBlur3(resized);
    case DenoiseMethod::kMedian:
      return MedianBlur3(resized);
    case DenoiseMethod::kBilateral:
      return BilateralFilter5(resized);
    case DenoiseMethod::kNlm:
      return NlmDenoise(resized, denoise.h);
  }
  return resized;
}

}  // namespace

Result<ResizeMethod> ParseResize(std::string_view text) {
  if (const auto method = ValueOf(kResizeNames, text)) return *method;
  return UsageError("unknown resizing " + Quoted(text) +
                    ": use bilinear, area, bicubic or pil-bilinear");
}

std::string ToString(ResizeMethod method) { return std::string(NameOf(kResizeNames, method)); }

Result<Denoise> ParseDenoise(std::string_view text) {
  if (const auto method = ValueOf(kDenoiseNames, text)) return Denoise{*method, Denoise().h};
  if (!text.starts_with("nlm:")) return UnknownDenoise(text);
  ARROW_ASSIGN_OR_RAISE(const float h, ParseH(text.substr(4), text));
  return Denoise{DenoiseMethod::kNlm, h};
}

std::string ToString(const Denoise& denoise) {
  const std::string text(NameOf(kDenoiseNames, denoise.method));
  if (denoise.method != DenoiseMethod::kNlm) return text;
  std::array<char, 32> h;
  const auto end = std::to_chars(h.data(), h.data() + h.size(), denoise.h).ptr;
  return text + ":" + std::string(h.data(), end);
}

nlohmann::json ToJson(const Recipe& recipe) {
  return {{"denoise", ToString(recipe.denoise)},
          {"height", recipe.height},
          {"jpeg_policy", ToString(recipe.jpeg_policy)},
          {"resize", ToString(recipe.resize)},
          {"version", kVersion},
          {"width", recipe.width}};
}

Result<Recipe> RecipeFromJson(const nlohmann::json& json) {
  ARROW_RETURN_NOT_OK(CheckFields(json));
  Recipe recipe;
  ARROW_ASSIGN_OR_RAISE(recipe.width, ParseSide(json, "width"));
  ARROW_ASSIGN_OR_RAISE(recipe.height, ParseSide(json, "height"));
  ARROW_ASSIGN_OR_RAISE(recipe.resize, ParseResize(json.at("resize").get<std::string>()));
  ARROW_ASSIGN_OR_RAISE(recipe.jpeg_policy,
                        ParseJpegPolicy(json.at("jpeg_policy").get<std::string>()));
  ARROW_ASSIGN_OR_RAISE(recipe.denoise, ParseDenoise(json.at("denoise").get<std::string>()));
  return recipe;
}

Image Prepare(const Image& decoded, const Recipe& recipe, Profile* profile,
              const std::string& subject) {
  Image resized;
  {
    const Span span(profile, "resize", subject);
    resized = Resize(decoded, recipe);
  }
  if (recipe.denoise.method == DenoiseMethod::kNone) return resized;
  const Span span(profile, "denoise", subject);
  return RemoveNoise(std::move(resized), recipe.denoise);
}

}  // namespace pomona::image
