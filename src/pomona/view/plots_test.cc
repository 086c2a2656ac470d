#include "pomona/view/plots.h"

#include <cairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pomona/base/text.h"
#include "pomona/dataset/commit.h"
#include "pomona/reduce/reduce.h"
#include "pomona/testing/npz.h"
#include "pomona/testing/temp_folder.h"
#include "pomona/view/svg.h"

namespace pomona::view {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const Facts kFacts = {20'622, "efficientnet-lite0, f32", "224x224 bilinear, denoise nlm:3"};

size_t Count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// What is inside <g id="name">, which holds no other group.
std::string Group(const std::string& svg, const std::string& name) {
  const size_t start = svg.find("<g id=\"" + name + "\">");
  if (start == svg.npos) return "";
  return svg.substr(start, svg.find("</g>", start) - start);
}

// A decoded PNG.
struct Picture {
  int width = 0, height = 0;
  std::vector<uint32_t> pixels;  // 0x00RRGGBB

  size_t NotWhite() const {
    return pixels.size() - static_cast<size_t>(std::count(pixels.begin(), pixels.end(), 0xFFFFFFu));
  }
  size_t Of(uint32_t colour) const {
    return static_cast<size_t>(std::count(pixels.begin(), pixels.end(), colour));
  }
};

cairo_status_t Read(void* closure, unsigned char* data, unsigned int length) {
  auto* rest = static_cast<std::string_view*>(closure);
  if (rest->size() < length) return CAIRO_STATUS_READ_ERROR;
  std::memcpy(data, rest->data(), length);
  rest->remove_prefix(length);
  return CAIRO_STATUS_SUCCESS;
}

Picture Decode(const std::string& png) {
  std::string_view rest = png;
  cairo_surface_t* surface = cairo_image_surface_create_from_png_stream(Read, &rest);
  EXPECT_EQ(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
  Picture picture{
      cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface), {}};
  for (int y = 0; y < picture.height; ++y) {
    const auto* row = reinterpret_cast<const uint32_t*>(
        cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface));
    for (int x = 0; x < picture.width; ++x) picture.pixels.push_back(row[x] & 0xFFFFFF);
  }
  cairo_surface_destroy(surface);
  return picture;
}

// The picture of an SVG that must be well-formed XML; librsvg reads it with libxml2.
Picture Render(const std::string& svg, int width = 480) {
  const auto png = RenderPng(svg, width);
  EXPECT_TRUE(png.ok()) << png.status().ToString();
  return png.ok() ? Decode(*png) : Picture{};
}

std::vector<double> Decay(int n, double power) {
  std::vector<double> ratio;
  for (int i = 1; i <= n; ++i) ratio.push_back(std::pow(i, -power));
  const double sum = std::accumulate(ratio.begin(), ratio.end(), 0.0);
  for (double& r : ratio) r /= sum;
  return ratio;
}

// n points in a spiral, labelled a0 ... in turn.
Scatter Spiral(int n, int classes) {
  Scatter scatter;
  scatter.title = "Principal components 1 and 2";
  scatter.x_axis = "PC1 (23.4 % of variance)";
  scatter.y_axis = "PC2 (12.3 % of variance)";
  scatter.facts = kFacts;
  scatter.facts.n = n;
  for (int i = 0; i < n; ++i) {
    scatter.x.push_back(std::sqrt(i) * std::cos(i * 2.4));
    scatter.y.push_back(std::sqrt(i) * std::sin(i * 2.4));
    scatter.labels.push_back(classes == 0 ? "" : "a" + std::to_string(i % classes));
  }
  return scatter;
}

// Points drawn: each starts with an absolute move, and white paths are only rims.
size_t Points(const std::string& svg) {
  size_t n = 0;
  const std::string group = Group(svg, "points");
  for (size_t at = group.find("<path"); at != group.npos; at = group.find("<path", at + 1)) {
    const std::string path = group.substr(at, group.find('>', at) - at);
    if (path.find("#fff") == path.npos) n += Count(path, "M");
  }
  return n;
}

TEST(ScreeSvg, DrawsEveryComponentOfAShortSpectrum) {
  const std::string svg = ScreeSvg({{0.5, 0.3, 0.15, 0.05}, 2, kFacts});
  const std::string bars = Group(svg, "bars");
  EXPECT_EQ(Count(bars, "<rect"), 4u);
  EXPECT_EQ(Count(bars, "fill=\"#0072b2\""), 2u);  // kept
  EXPECT_THAT(bars, HasSubstr("component 2: 30 %, cumulative 80 %"));
  EXPECT_THAT(svg, HasSubstr("2 of 4 components kept, with 80 % of the variance"));
  EXPECT_THAT(svg, HasSubstr("20,622 images · efficientnet-lite0, f32 · 224×224 bilinear"));
  // 0.5 of the left axis, whose five steps end at 50 %: the bar fills the plot.
  EXPECT_THAT(bars, HasSubstr("y=\"136\""));
}

TEST(ScreeSvg, NamesWhereThresholdsFall) {
  const std::string svg = ScreeSvg({{0.5, 0.3, 0.1, 0.05, 0.04, 0.01}, 2, kFacts});
  const std::string marks = Group(svg, "milestones");
  EXPECT_THAT(marks, HasSubstr(">90 % at 3<"));  // 0.5 + 0.3 + 0.1 is just below 0.9 in binary
  EXPECT_THAT(marks, HasSubstr(">95 % at 4<"));
  EXPECT_THAT(marks, HasSubstr(">99 % at 5<"));
  EXPECT_EQ(Count(marks, "<circle"), 3u);
}

TEST(ScreeSvg, JoinsThresholdsOfOneComponent) {
  EXPECT_THAT(Group(ScreeSvg({{1.0}, 1, kFacts}), "milestones"), HasSubstr("90, 95 and 99 % at 1"));
  const std::string two = Group(ScreeSvg({{0.92, 0.08}, 1, kFacts}), "milestones");
  EXPECT_THAT(two, HasSubstr("90 % at 1<"));
  EXPECT_THAT(two, HasSubstr("95 and 99 % at 2<"));
}

TEST(ScreeSvg, SaysInWordsWhatLiesBeyondTheBars) {
  const std::vector<double> ratio = Decay(2048, 1.6);
  const std::string svg = ScreeSvg({ratio, 20, kFacts});
  EXPECT_EQ(Count(Group(svg, "bars"), "<rect"), 50u);
  double sum = 0;
  std::vector<int> at;  // by definition
  for (int i = 0; i < 2048; ++i) {
    sum += ratio[i];
    if (at.size() < 3 && sum >= std::array{0.90, 0.95, 0.99}[at.size()]) at.push_back(i + 1);
  }
  ASSERT_EQ(at.size(), 3u);
  ASSERT_LE(at[0], 50);
  ASSERT_GT(at[1], 50);
  EXPECT_THAT(Group(svg, "milestones"), HasSubstr("90 % at " + std::to_string(at[0]) + "<"));
  EXPECT_THAT(svg, HasSubstr(">95 % at " + WithThousands(at[1]) + ", 99 % at " +
                             WithThousands(at[2]) + "<"));
  EXPECT_THAT(svg, HasSubstr("first 50 of 2,048 drawn; "));
}

TEST(ScreeSvg, StopsEarlyWhereTheRestIsNothing) {
  std::vector<double> ratio = {0.6, 0.395};
  ratio.resize(1280, 0.005 / 1278);
  const std::string svg = ScreeSvg({ratio, 2, kFacts});
  EXPECT_EQ(Count(Group(svg, "bars"), "<rect"), 20u);
  EXPECT_THAT(svg, HasSubstr("first 20 of 1,280 drawn<"));
}

TEST(ScreeSvg, LeavesOutComponentsWithoutVariance) {
  std::vector<double> ratio = Decay(49, 1);
  ratio.resize(1280, 0);
  const std::string svg = ScreeSvg({ratio, 49, kFacts});
  EXPECT_EQ(Count(Group(svg, "bars"), "<rect"), 49u);
  EXPECT_THAT(svg, HasSubstr("49 of 1,280 components kept, with 100 % of the variance"));
  EXPECT_THAT(svg, Not(HasSubstr("left out")));
  EXPECT_THAT(svg, Not(HasSubstr("drawn")));
}

TEST(ScreeSvg, OfNoVarianceSaysSo) {
  for (const std::vector<double>& ratio : {std::vector<double>(3), std::vector<double>{}}) {
    const std::string svg = ScreeSvg({ratio, 0, kFacts});
    EXPECT_THAT(svg, AllOf(HasSubstr("The data do not vary"), HasSubstr("no variance")));
    EXPECT_EQ(Count(svg, "id=\"bars\""), 0u);
    EXPECT_GT(Render(svg).NotWhite(), 500u);
  }
}

TEST(ScreeSvg, SurvivesNumbersThatCannotBe) {
  for (const auto& ratio :
       std::vector<std::vector<double>>{{kNaN, 1}, {-1, 2}, {1e300}, {1e-300}}) {
    for (int kept : {-5, 0, 1'000'000}) {
      const std::string svg = ScreeSvg({ratio, kept, {}});
      EXPECT_EQ(Count(svg, "nan") + Count(svg, "inf"), 0u);
      EXPECT_GT(Render(svg).NotWhite(), 500u);
    }
  }
}

TEST(ScreeSvg, IsAccessible) {
  const std::string svg = ScreeSvg({{0.7, 0.3}, 1, kFacts});
  EXPECT_THAT(svg, HasSubstr(" role=\"img\""));
  EXPECT_THAT(svg, HasSubstr("<title>Variance explained by the principal components</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc>1 of 2 components kept, with 70 % of the variance. Bars: the "
                             "first 2 components; the first explains 70 %."));
}

TEST(ScatterSvg, DrawsEveryPointOnce) {
  for (int classes : {0, 1, 5, 12, 40, 120}) {
    for (int n : {1, 50, 5'000}) {
      EXPECT_EQ(Points(ScatterSvg(Spiral(n, classes))), static_cast<size_t>(n)) << classes;
    }
  }
}

TEST(ScatterSvg, HasNoElementPerPoint) {
  const std::string svg = ScatterSvg(Spiral(20'622, 5));
  EXPECT_LT(Count(svg, "<"), 400u);
  EXPECT_LT(svg.size(), 500'000u);
  EXPECT_LT(ScatterSvg(Spiral(20'622, 120)).size(), 2'000'000u);
}

TEST(ScatterSvg, PutsPointsWhereTheirValuesAre) {
  Scatter scatter = Spiral(0, 0);
  scatter.x = {-10, 10};
  scatter.y = {-5, 5};
  scatter.labels = {"low", "high"};
  const std::string svg = ScatterSvg(scatter);
  const auto find = [&](const std::string& name) {
    std::smatch m;
    const std::regex path("d=\"M([0-9.]+) ([0-9.]+)h0\"[^>]*><title>" + name);
    EXPECT_TRUE(std::regex_search(svg, m, path)) << svg;
    return std::pair(std::stod(m[1]), std::stod(m[2]));
  };
  const auto low = find("low"), high = find("high");
  EXPECT_LT(low.first, high.first);
  EXPECT_GT(low.second, high.second);  // y grows upwards
  // One unit is as long on both axes; coordinates are rounded to 0.1 pixels.
  EXPECT_NEAR((high.first - low.first) / 20, (low.second - high.second) / 10, 0.02);
}

TEST(ScatterSvg, GivesUpEqualUnitsForAThinCloud) {
  Scatter scatter = Spiral(300, 2);
  for (double& y : scatter.y) y *= 1e-6;
  const Picture thin = Render(ScatterSvg(scatter));
  size_t rows = 0;  // that show a blue point
  for (int y = 0; y < thin.height; ++y) {
    const auto row = thin.pixels.begin() + y * thin.width;
    rows += std::any_of(row, row + 380, [](uint32_t p) { return (p & 0xFF) > (p >> 16) + 100; });
  }
  EXPECT_GT(rows, static_cast<size_t>(thin.height) / 2);
}

TEST(ScatterSvg, ShowsALegendUntilThereAreTooManyLabels) {
  EXPECT_EQ(Group(ScatterSvg(Spiral(100, 0)), "legend"), "");
  EXPECT_EQ(Count(Group(ScatterSvg(Spiral(100, 5)), "legend"), "<text"), 5u);
  EXPECT_EQ(Group(ScatterSvg(Spiral(100, 5)), "names"), "");
  const std::string many = ScatterSvg(Spiral(1'000, 40));
  EXPECT_EQ(Count(Group(many, "legend"), "<text"), 40u);
  EXPECT_EQ(Count(Group(many, "names"), "<text"), 40u);
  EXPECT_EQ(Group(ScatterSvg(Spiral(1'000, 120)), "legend"), "");
}

// Text widths are estimated, so this is about the layout, not about the font.
TEST(ScatterSvg, LegendStaysOnThePage) {
  for (int classes : {5, 24, 48}) {
    Scatter scatter = Spiral(500, classes);
    for (std::string& label : scatter.labels) label += " with quite a long name that goes on";
    const std::string legend = Group(ScatterSvg(scatter), "legend");
    const std::regex text(
        "<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" font-size=\"([0-9.]+)\"[^>]*>([^<]*)<");
    int n = 0;
    for (std::sregex_iterator it(legend.begin(), legend.end(), text), end; it != end; ++it, ++n) {
      EXPECT_LE(std::stod((*it)[1]) + TextWidth((*it)[4].str(), std::stod((*it)[3])), 960);
      EXPECT_LE(std::stod((*it)[2]), 560);
    }
    EXPECT_EQ(n, classes);
  }
}

TEST(ScatterSvg, KeepsTheLargestOfVeryManyLabels) {
  Scatter scatter = Spiral(1'000, 500);
  for (int i = 0; i < 50; ++i) {
    scatter.x.push_back(i);
    scatter.y.push_back(0);
    scatter.labels.push_back("zz top");
  }
  const std::string svg = ScatterSvg(scatter);
  EXPECT_THAT(svg, HasSubstr("coloured by the largest 150 of 501 labels"));
  EXPECT_THAT(svg, HasSubstr("<title>zz top (50)</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>351 other labels (702)</title>"));
  EXPECT_EQ(Points(svg), 1'050u);
  EXPECT_THAT(Group(svg, "names"), Not(HasSubstr("other labels")));
}

TEST(ScatterSvg, MixesClassesSoThatNoneIsHidden) {
  Scatter scatter = Spiral(0, 0);
  for (int i = 0; i < 4'000; ++i) {  // two classes at exactly the same places
    scatter.x.push_back(i % 2'000 % 40);
    scatter.y.push_back(i % 2'000 / 40);
    scatter.labels.push_back(i < 2'000 ? "a" : "b");
  }
  const Picture picture = Render(ScatterSvg(scatter), 960);
  size_t blue = 0, orange = 0;
  for (uint32_t p : picture.pixels) {
    const int red = static_cast<int>(p >> 16), low = static_cast<int>(p & 0xFF);
    blue += low - red > 60;
    orange += red - low > 60;
  }
  EXPECT_GT(blue, orange / 3);
  EXPECT_GT(orange, blue / 3);
}

TEST(ScatterSvg, ShowsOddLabelsAsTheyAre) {
  Scatter scatter = Spiral(90, 9);
  const std::vector<std::string> odd = {
      "<b>&amp;\"'</b>", "line\nbreak", "שלום עולם", "🍎 emoji", std::string(100'000, 'x'),
      "ctrl\x01\x1b",    "\xff\xfe",    "",          "]]>"};
  for (size_t i = 0; i < scatter.labels.size(); ++i) scatter.labels[i] = odd[i % 9];
  const std::string svg = ScatterSvg(scatter);
  EXPECT_TRUE(IsUtf8(svg));
  EXPECT_LT(svg.size(), 50'000u);
  const std::string legend = Group(svg, "legend");
  for (const char* shown :
       {">&lt;b&gt;&amp;amp;&quot;&apos;&lt;/b&gt;<", ">line\\nbreak<", ">שלום עולם<", ">🍎 emoji<",
        "xxx…<", ">ctrl\\x01\\x1B<", ">\\xFF\\xFE<", ">no label<", ">]]&gt;<"}) {
    EXPECT_THAT(legend, HasSubstr(shown));
  }
  EXPECT_GT(Render(svg).NotWhite(), 1'000u);
}

TEST(ScatterSvg, SurvivesDegenerateClouds) {
  const std::vector<std::pair<std::vector<double>, std::vector<double>>> clouds = {
      {{}, {}},
      {{3.5}, {-2}},
      {std::vector<double>(10, 1e9), std::vector<double>(10, -1e-9)},
      {{0, 0, 0}, {0, 0, 0}},
      {{1e9, 1e9 + 1e-7}, {0, 1}},
      {{1e-300, 2e-300}, {1e99, -1e99}},
      {{1, 2, 3}, {1}},
  };
  for (const auto& [x, y] : clouds) {
    Scatter scatter = Spiral(0, 0);
    scatter.x = x;
    scatter.y = y;
    const std::string svg = ScatterSvg(scatter);
    EXPECT_EQ(Points(svg), std::min(x.size(), y.size()));
    EXPECT_EQ(Count(svg, "nan") + Count(svg, "inf"), 0u);
    const size_t ticks = Count(Group(svg, "axes"), "<text");
    EXPECT_GE(ticks, 4u);
    EXPECT_LE(ticks, 30u);
    EXPECT_GT(Render(svg).NotWhite(), 500u);
  }
}

TEST(ScatterSvg, LeavesOutWhatIsNotFinite) {
  Scatter scatter = Spiral(10, 2);
  scatter.x[3] = kNaN;
  scatter.y[4] = std::numeric_limits<double>::infinity();
  scatter.x[5] = -1.7e308;
  const std::string svg = ScatterSvg(scatter);
  EXPECT_EQ(Points(svg), 7u);
  EXPECT_GT(Render(svg).NotWhite(), 500u);
}

TEST(Svg, SameInputSameBytes) {
  EXPECT_EQ(ScatterSvg(Spiral(500, 40)), ScatterSvg(Spiral(500, 40)));
  EXPECT_EQ(ScreeSvg({Decay(100, 1), 6, kFacts}), ScreeSvg({Decay(100, 1), 6, kFacts}));
}

TEST(RenderPng, KeepsProportionsAndColours) {
  const std::string svg = ScreeSvg({{0.5, 0.3, 0.2}, 2, kFacts});
  const std::string png = RenderPng(svg, 1920).ValueOrDie();
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  const Picture picture = Decode(png);
  EXPECT_EQ(picture.width, 1920);
  EXPECT_EQ(picture.height, 1200);
  EXPECT_EQ(picture.pixels.front(), 0xFFFFFFu);
  // Bars are 56 wide; of kept ones 0.5 and 0.3 of a plot 398 high that ends at 0.5, the line and
  // its rim taken off.
  EXPECT_NEAR(static_cast<double>(picture.Of(0x0072B2)), 56 * 398 * (1 + 0.6) * 4, 8'000);
  EXPECT_GT(picture.NotWhite(), 100'000u);
}

TEST(RenderPng, DrawsText) {
  const auto with = [](const std::string& text) {
    return Render(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 20\"><text x=\"5\" "
               "y=\"15\" font-family=\"DejaVu Sans, Arial, sans-serif\">" +
               text + "</text></svg>")
        .NotWhite();
  };
  EXPECT_EQ(with(""), 0u);
  EXPECT_GT(with("Pomona"), 200u);
}

TEST(RenderPng, RefusesWhatItCannotDraw) {
  const std::string svg = ScreeSvg({{1.0}, 1, kFacts});
  for (int width : {0, -1, 20'001, std::numeric_limits<int>::max()}) {
    EXPECT_FALSE(RenderPng(svg, width).ok()) << width;
  }
  const std::string open = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"";
  for (const std::string& bad :
       {std::string(), std::string("hello"), svg.substr(0, svg.size() / 2), std::string("<html/>"),
        open + "0 0 0 0\"/>", open + "0 0 1 1000000\"/>",
        std::string("<svg xmlns=\"http://www.w3.org/2000/svg\"/>")}) {
    const auto png = RenderPng(bad, 100);
    EXPECT_FALSE(png.ok()) << bad;
  }
}

TEST(RenderPng, DrawsAVeryLongPath) {  // libxml2 by itself refuses attributes over 10 MB
  std::string data = "M0 0";
  while (data.size() < 11'000'000) data += "          ";
  const Picture picture =
      Render("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\"><path d=\"" + data +
                 "h10v10h-10z\"/></svg>",
             20);
  EXPECT_EQ(picture.Of(0), 400u);
}

std::vector<std::string> GoldenLabels() {
  std::ifstream file(POMONA_SOURCE_DIR "/tests/golden/paths.txt");
  std::vector<std::string> labels;
  for (std::string line; std::getline(file, line);)
    labels.push_back(line.substr(0, line.find('/')));
  return labels;
}

class WritePlotsTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = io::OpenStore(folder_ / "results").ValueOrDie(); }

  // Makes a dataset of one part: the golden features.
  dataset::Dataset PutGolden(const std::string& key = std::string(32, '1')) {
    const auto features =
        testing::LoadNpz(POMONA_SOURCE_DIR "/tests/golden/features.npz", "efficientnet_lite0");
    const std::vector<std::string> labels = GoldenLabels();
    dataset::Part part;
    part.dimension = static_cast<int>(features.shape.at(1));
    part.features.assign(features.data<float>(),
                         features.data<float>() + labels.size() * features.shape[1]);
    for (size_t i = 0; i < labels.size(); ++i) {
      dataset::Row row;
      row.path = labels[i] + "/" + std::to_string(i) + ".jpg";
      row.label = labels[i];
      part.rows.push_back(row);
    }
    return Put(part, key);
  }

  // Makes a dataset of one part: `rows` images of two numbers that rise together, or do not vary.
  dataset::Dataset PutLine(int rows, float slope) {
    dataset::Part part;
    part.dimension = 2;
    for (int i = 0; i < rows; ++i) {
      dataset::Row row;
      row.path = std::to_string(i) + ".jpg";
      if (i % 2 == 0) row.label = "even";
      part.rows.push_back(row);
      part.features.insert(part.features.end(), {i * slope, i * slope});
    }
    return Put(part, std::string(32, '2'));
  }

  dataset::Dataset Put(const dataset::Part& part, const std::string& key) {
    dataset::Manifest manifest;
    manifest.tool = "pomona 0.1.0";
    manifest.source = "/images";
    manifest.label = "folder";
    manifest.recipe = {{"denoise", "nlm:3"},
                       {"height", 224},
                       {"resize", "bilinear"},
                       {"version", 1},
                       {"width", 224}};
    manifest.model = {{"id", "efficientnet-lite0"},
                      {"identity", {{"output", {{"dimension", part.dimension}}}}},
                      {"weights_sha256", std::string(64, '0')},
                      {"precision", "f32"}};
    manifest.parts = {
        dataset::WritePart(store_.get(), part, {key, manifest.recipe_hash(), manifest.model_hash()})
            .ValueOrDie()};
    const auto before = dataset::Dataset::Open(*store_);
    EXPECT_TRUE(dataset::Commit(store_.get(), manifest, before.ok() ? &*before : nullptr).ok());
    return dataset::Dataset::Open(*store_).ValueOrDie();
  }

  void Reduce(const dataset::Dataset& dataset, int k) {
    const auto pca = reduce::Reduce(dataset, store_.get(), {{k, 0}, 1}, {}, {});
    ASSERT_TRUE(pca.ok()) << pca.status().ToString();
  }

  std::string Bytes(const std::string& name) { return store_->Read(name).ValueOrDie()->ToString(); }

  testing::TempFolder folder_;
  std::unique_ptr<io::Store> store_;
};

TEST_F(WritePlotsTest, DrawsWhatReduceWrote) {
  Reduce(PutGolden(), 6);
  EXPECT_THAT(WritePlots(store_.get()).ValueOrDie(),
              ElementsAre("plots/scree.svg", "plots/scree.png", "plots/pca.svg", "plots/pca.png"));
  const std::string scree = Bytes("plots/scree.svg"), pca = Bytes("plots/pca.svg");
  for (const std::string& svg : {scree, pca}) {
    EXPECT_THAT(
        svg, HasSubstr(">50 images · efficientnet-lite0, f32 · 224×224 bilinear, denoise nlm:3<"));
  }
  // The spectrum of the standardised golden features by numpy.linalg.svd: 49 components; the first
  // six explain 51.57 %; 90, 95 and 99 % are reached at 26, 33 and 44.
  EXPECT_EQ(Count(Group(scree, "bars"), "<rect"), 49u);
  EXPECT_THAT(scree, HasSubstr("6 of 1,280 components kept, with 51.6 % of the variance"));
  for (const char* mark : {">90 % at 26<", ">95 % at 33<", ">99 % at 44<"}) {
    EXPECT_THAT(Group(scree, "milestones"), HasSubstr(mark));
  }
  EXPECT_THAT(pca, AllOf(HasSubstr("PC1 (14.7 % of variance)"), HasSubstr("coloured by 5 labels")));
  EXPECT_EQ(Points(pca), 50u);
  for (const char* name : {"plots/scree.png", "plots/pca.png"}) {
    const Picture picture = Decode(Bytes(name));
    EXPECT_EQ(picture.width, 1920);
    EXPECT_EQ(picture.height, 1200);
    EXPECT_GT(picture.NotWhite(), 50'000u);
  }
}

TEST_F(WritePlotsTest, AreTheSameBytesEveryTime) {
  Reduce(PutGolden(), 2);
  const auto names = WritePlots(store_.get()).ValueOrDie();
  std::vector<std::string> first;
  for (const std::string& name : names) first.push_back(Bytes(name));
  ASSERT_TRUE(WritePlots(store_.get()).ok());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(Bytes(names[i]), first[i]) << names[i];
}

TEST_F(WritePlotsTest, SpreadsASingleComponentOverStrips) {
  Reduce(PutLine(21, 1), 1);
  ASSERT_TRUE(WritePlots(store_.get()).ok());
  const std::string pca = Bytes("plots/pca.svg");
  EXPECT_THAT(pca, AllOf(HasSubstr(">Principal component 1<"), HasSubstr("PC1 (100 % of variance)"),
                         Not(HasSubstr("PC2"))));
  EXPECT_EQ(Points(pca), 21u);
  const std::regex point("M([0-9.]+) ([0-9.]+)h0");
  const std::string points = Group(pca, "points");
  std::set<std::string> heights;
  for (std::sregex_iterator it(points.begin(), points.end(), point), end; it != end; ++it) {
    heights.insert((*it)[2]);
  }
  EXPECT_GE(heights.size(), 20u);
}

TEST_F(WritePlotsTest, DrawsDataThatDoNotVary) {
  Reduce(PutLine(5, 0), 1);
  const auto written = WritePlots(store_.get());
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_THAT(Bytes("plots/scree.svg"), HasSubstr("The data do not vary"));
  EXPECT_THAT(Bytes("plots/pca.svg"), HasSubstr("PC1 (no variance)"));
  EXPECT_EQ(Points(Bytes("plots/pca.svg")), 5u);
}

TEST_F(WritePlotsTest, NeedsFeaturesAndTheirComponents) {
  EXPECT_TRUE(IsNothingToRead(WritePlots(store_.get()).status()));
  const dataset::Dataset dataset = PutGolden();
  EXPECT_TRUE(IsNothingToRead(WritePlots(store_.get()).status()));
  EXPECT_EQ(store_->List("plots").ValueOrDie().size(), 0u);
}

TEST_F(WritePlotsTest, RefusesComponentsOfOtherFeatures) {
  Reduce(PutGolden(), 2);
  PutGolden(std::string(32, '3'));  // the same rows as another part
  const Status status = WritePlots(store_.get()).status();
  EXPECT_THAT(status.ToString(), HasSubstr("run `pomona reduce`"));
  EXPECT_FALSE(IsNothingToRead(status));
}

}  // namespace
}  // namespace pomona::view
