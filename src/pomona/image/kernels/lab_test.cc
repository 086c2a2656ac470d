#include "pomona/image/kernels/lab.h"

#include <gtest/gtest.h>

#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

TEST(Lab, EqualsOpenCv) {
  const LabImage lab = ToLab(LoadImage("recipes.npz", "colours"));
  const Image expected = LoadImage("recipes.npz", "lab");
  for (size_t i = 0; i < lab.l.size(); ++i) {
    ASSERT_EQ(lab.l[i], expected.rgb[3 * i]);
    ASSERT_EQ(lab.a[i], expected.rgb[3 * i + 1]);
    ASSERT_EQ(lab.b[i], expected.rgb[3 * i + 2]);
  }
}

TEST(Lab, BackEqualsOpenCv) {
  const Image colours = LoadImage("recipes.npz", "colours");
  LabImage lab{colours.width, colours.height, {}, {}, {}};
  for (size_t i = 0; i < colours.rgb.size(); i += 3) {
    lab.l.push_back(colours.rgb[i]);
    lab.a.push_back(colours.rgb[i + 1]);
    lab.b.push_back(colours.rgb[i + 2]);
  }
  EXPECT_EQ(FromLab(lab).rgb, LoadImage("recipes.npz", "rgb").rgb);
}

TEST(Lab, EveryInstructionSetGivesTheSameBytes) {
  const Image noise = Noise(67, 41);
  const Image expected = FromLab(ToLab(noise));
  ForEachTarget([&](const std::string& target) {
    EXPECT_EQ(FromLab(ToLab(noise)).rgb, expected.rgb) << target;
  });
}

}  // namespace
}  // namespace pomona::image
