#include "pomona/image/recipe.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pomona/image/kernels/filter.h"
#include "pomona/image/kernels/nlm.h"
#include "pomona/image/kernels/resize.h"
#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

TEST(Recipe, DefaultAsJson) {
  EXPECT_EQ(
      ToJson(Recipe()).dump(),
      R"({"denoise":"nlm:3","height":224,"jpeg_policy":"strict","resize":"bilinear","version":1,"width":224})");
}

TEST(Recipe, ComesBackFromJson) {
  for (const char* resize : {"bilinear", "area", "bicubic", "pil-bilinear"}) {
    for (const char* denoise : {"none", "gaussian", "median", "bilateral", "nlm:2.5", "nlm:100"}) {
      Recipe recipe;
      recipe.width = 96;
      recipe.resize = *ParseResize(resize);
      recipe.denoise = *ParseDenoise(denoise);
      EXPECT_EQ(ToString(recipe.resize), resize);
      EXPECT_EQ(ToString(recipe.denoise), denoise);
      EXPECT_EQ(*RecipeFromJson(ToJson(recipe)), recipe);
    }
  }
}

TEST(Recipe, NlmAloneMeansTheDefaultStrength) {
  EXPECT_EQ(ToString(*ParseDenoise("nlm")), "nlm:3");
  EXPECT_EQ(ToString(*ParseDenoise("nlm:3.0")), "nlm:3");
}

TEST(Recipe, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "nlm:", "nlm:0", "nlm:-1", "nlm:101", "nlm:nan", "nlm:inf", "nlm:3x",
                           "nlm: 3", "NLM", "blur", "none:1", "nlm:1e9"}) {
    const auto denoise = ParseDenoise(text);
    ASSERT_FALSE(denoise.ok()) << text;
    EXPECT_TRUE(IsUsageError(denoise.status())) << text;
    EXPECT_NE(denoise.status().message().find("bilateral"), std::string::npos) << text;
  }
  const auto resize = ParseResize("lanczos");
  ASSERT_FALSE(resize.ok());
  EXPECT_TRUE(IsUsageError(resize.status()));
  EXPECT_NE(resize.status().message().find("pil-bilinear"), std::string::npos);
}

TEST(Recipe, RefusesBrokenJson) {
  const nlohmann::json good = ToJson(Recipe());
  const auto refused = [&good](const char* key, const nlohmann::json& value) {
    nlohmann::json bad = good;
    bad[key] = value;
    return !RecipeFromJson(bad).ok();
  };
  EXPECT_TRUE(refused("width", 0));
  EXPECT_TRUE(refused("width", -3));
  EXPECT_TRUE(refused("height", 1e9));
  EXPECT_TRUE(refused("height", "224"));
  EXPECT_TRUE(refused("height", 22.5));
  EXPECT_TRUE(refused("version", 2));
  EXPECT_TRUE(refused("version", "1"));
  EXPECT_TRUE(refused("denoise", 3));
  EXPECT_TRUE(refused("resize", nullptr));
  EXPECT_TRUE(refused("sharpen", true));
  for (const char* key : {"denoise", "height", "jpeg_policy", "resize", "version", "width"}) {
    nlohmann::json bad = good;
    bad.erase(key);
    EXPECT_FALSE(RecipeFromJson(bad).ok()) << key;
  }
  for (const char* text : {"null", "[]", "3", "\"nlm\""}) {
    EXPECT_FALSE(RecipeFromJson(nlohmann::json::parse(text)).ok()) << text;
  }
}

TEST(Recipe, PrepareResizesThenDenoises) {
  const Image source = LoadImage("recipes.npz", "small");
  Recipe recipe;
  recipe.width = 50;
  recipe.height = 40;
  const auto prepared = [&](const char* resize, const char* denoise) {
    recipe.resize = *ParseResize(resize);
    recipe.denoise = *ParseDenoise(denoise);
    return Prepare(source, recipe).rgb;
  };
  const Image resized = ResizeBilinear(source, 50, 40);
  EXPECT_EQ(prepared("bilinear", "none"), resized.rgb);
  EXPECT_EQ(prepared("bilinear", "gaussian"), GaussianBlur3(resized).rgb);
  EXPECT_EQ(prepared("bilinear", "median"), MedianBlur3(resized).rgb);
  EXPECT_EQ(prepared("bilinear", "bilateral"), BilateralFilter5(resized).rgb);
  EXPECT_EQ(prepared("bilinear", "nlm:5"), NlmDenoise(resized, 5).rgb);
  EXPECT_EQ(prepared("area", "none"), ResizeArea(source, 50, 40).rgb);
  EXPECT_EQ(prepared("bicubic", "none"), ResizeBicubic(source, 50, 40).rgb);
  EXPECT_EQ(prepared("pil-bilinear", "none"), ResizePilBilinear(source, 50, 40).rgb);
}

}  // namespace
}  // namespace pomona::image
