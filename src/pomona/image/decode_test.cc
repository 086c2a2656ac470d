#include "pomona/image/decode.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>

#include "pomona/image/exif.h"
#include "pomona/image/sniff.h"
#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

std::vector<uint8_t> Fixture(const std::string& name) {
  return ReadBytes(std::string(POMONA_SOURCE_DIR) + "/tests/images/" + name);
}

Outcome<Image> DecodeFixture(const std::string& name) { return Decode(Fixture(name), {}); }

Image Expected(const std::string& name) { return LoadImage("../images/expected.npz", name); }

std::vector<std::string> SamplePaths() {
  std::ifstream file(Golden("paths.txt"));
  std::vector<std::string> paths;
  for (std::string line; std::getline(file, line);) paths.push_back(line);
  return paths;
}

std::vector<uint8_t> Sample(const std::string& path) {
  return ReadBytes(std::string(POMONA_SOURCE_DIR) + "/samples/fruits/" + path);
}

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

void ExpectRejected(const Outcome<Image>& outcome, Reason reason, const std::string& what) {
  ASSERT_FALSE(outcome.ok()) << what;
  EXPECT_EQ(outcome.rejection().reason, reason)
      << what << ": " << ReasonName(outcome.rejection().reason) << ", "
      << outcome.rejection().detail;
  EXPECT_FALSE(outcome.rejection().detail.empty()) << what;
}

int64_t PeakMemoryKb() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(Decode, SamplesEqualOpenCvByteForByte) {
  const std::vector<std::string> paths = SamplePaths();
  ASSERT_EQ(paths.size(), 50);
  for (size_t i = 0; i < paths.size(); ++i) {
    const auto image = Decode(Sample(paths[i]), {});
    ASSERT_TRUE(image.ok()) << paths[i] << ": " << image.rejection().detail;
    EXPECT_EQ(image.value().rgb, LoadImage("pixels.npz", "decoded", static_cast<int64_t>(i)).rgb)
        << paths[i];
  }
}

TEST(Decode, FixturesEqualPillow) {
  struct Case {
    const char* name;
    int largest;  // difference, in levels
  };
  // Another libjpeg or libwebp is within a few levels; where ink or alpha are multiplied, one.
  for (const auto& [name, largest] : std::initializer_list<Case>{{"rgb.jpg", 3},
                                                                 {"progressive.jpg", 3},
                                                                 {"grey.jpg", 2},
                                                                 {"cmyk.jpg", 3},
                                                                 {"rgb.png", 0},
                                                                 {"grey.png", 0},
                                                                 {"grey_1bit.png", 0},
                                                                 {"palette.png", 0},
                                                                 {"transparent_colour.png", 0},
                                                                 {"alpha.png", 1},
                                                                 {"lossless.webp", 0},
                                                                 {"alpha.webp", 1},
                                                                 {"lossy.webp", 2}}) {
    const auto image = DecodeFixture(name);
    ASSERT_TRUE(image.ok()) << name << ": " << image.rejection().detail;
    EXPECT_LE(Compare(image.value(), Expected(name)).largest, largest) << name;
  }
}

TEST(Decode, SixteenBitsAndInterlacedAreTheScene) {
  for (const char* name : {"rgb16.png", "interlaced.png"}) {
    const auto image = DecodeFixture(name);
    ASSERT_TRUE(image.ok()) << name << ": " << image.rejection().detail;
    EXPECT_EQ(image.value().rgb, Expected("scene").rgb) << name;
  }
}

TEST(Decode, OnePixel) {
  const auto image = DecodeFixture("one_pixel.jpg");
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value().width, 1);
  EXPECT_EQ(image.value().height, 1);
  EXPECT_NEAR(image.value().rgb[0], 200, 3);
  EXPECT_NEAR(image.value().rgb[2], 50, 3);
}

// Where stored pixel (x, y) goes, by the words of the EXIF standard ("row 0 is the visual ...").
std::pair<int, int> Upright(int orientation, int x, int y, int width, int height) {
  const int right = width - 1 - x;
  const int bottom = height - 1 - y;
  switch (orientation) {
    case 2:
      return {right, y};  // row 0 is the top, column 0 the right
    case 3:
      return {right, bottom};  // bottom, right
    case 4:
      return {x, bottom};  // bottom, left
    case 5:
      return {y, x};  // left, top
    case 6:
      return {bottom, x};  // right, top
    case 7:
      return {bottom, right};  // right, bottom
    case 8:
      return {y, right};  // left, bottom
    default:
      return {x, y};
  }
}

TEST(Decode, AppliesEveryOrientation) {
  const Image stored = DecodeFixture("orientation_1.jpg").value();
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string name = "orientation_" + std::to_string(orientation) + ".jpg";
    const Image upright = DecodeFixture(name).value();
    ASSERT_EQ(upright.width, orientation < 5 ? 24 : 16) << name;
    for (int y = 0; y < stored.height; ++y) {
      for (int x = 0; x < stored.width; ++x) {
        const auto [to_x, to_y] = Upright(orientation, x, y, stored.width, stored.height);
        const auto* from = &stored.rgb[static_cast<size_t>(3 * (y * stored.width + x))];
        const auto* to = &upright.rgb[static_cast<size_t>(3 * (to_y * upright.width + to_x))];
        ASSERT_TRUE(std::equal(from, from + 3, to)) << name << " at " << x << ", " << y;
      }
    }
  }
}

TEST(Decode, AppliesOrientationOfPngAndWebp) {
  const Image expected = ApplyOrientation(Expected("scene"), 6);
  for (const char* name : {"orientation_6.png", "orientation_6.webp"}) {
    const auto image = DecodeFixture(name);
    ASSERT_TRUE(image.ok()) << name << ": " << image.rejection().detail;
    EXPECT_EQ(image.value().width, 16) << name;
    EXPECT_EQ(image.value().rgb, expected.rgb) << name;
  }
}

TEST(Decode, BytesAfterTheEndDoNotMatter) {
  EXPECT_EQ(DecodeFixture("trailing.jpg").value().rgb, DecodeFixture("rgb.jpg").value().rgb);
}

TEST(Decode, RejectsWithAReason) {
  for (const auto& [name, reason] : std::initializer_list<std::pair<const char*, Reason>>{
           {"truncated.jpg", Reason::kTruncated},
           {"header_only.jpg", Reason::kTruncated},
           {"half_overwritten.jpg", Reason::kTruncated},
           {"huge.jpg", Reason::kTooLarge},
           {"many_scans.jpg", Reason::kTooLarge},
           {"huge.png", Reason::kTooLarge},
           {"truncated.png", Reason::kTruncated},
           {"no_end.png", Reason::kTruncated},
           {"damaged.png", Reason::kCorrupt},
           {"animated.webp", Reason::kUnsupportedFormat},
           {"truncated.webp", Reason::kTruncated},
           {"damaged.webp", Reason::kCorrupt},
           {"picture.gif", Reason::kUnsupportedFormat},
           {"picture.bmp", Reason::kUnsupportedFormat},
           {"picture.tif", Reason::kUnsupportedFormat},
           {"picture.avif", Reason::kUnsupportedFormat},
           {"picture.heic", Reason::kUnsupportedFormat},
           {"web_page.jpg", Reason::kNotAnImage},
           {"zeros.jpg", Reason::kNotAnImage},
           {"empty.jpg", Reason::kEmpty},
       }) {
    ExpectRejected(DecodeFixture(name), reason, name);
  }
}

TEST(Decode, SaysWhatAFileIs) {
  EXPECT_EQ(DecodeFixture("web_page.jpg").rejection().detail, "starts with '<!DOCTYPE html>'");
  EXPECT_EQ(DecodeFixture("zeros.jpg").rejection().detail, "starts with 00 00 00 00 00 00 00 00");
  EXPECT_NE(DecodeFixture("picture.gif").rejection().detail.find("GIF"), std::string::npos);
  EXPECT_NE(DecodeFixture("picture.heic").rejection().detail.find("HEIC"), std::string::npos);
  EXPECT_NE(DecodeFixture("picture.avif").rejection().detail.find("AVIF"), std::string::npos);
}

TEST(Decode, TellsWhereTheDataEnd) {
  for (const char* name : {"truncated.jpg", "truncated.png", "truncated.webp"}) {
    EXPECT_EQ(DecodeFixture(name).rejection().byte_offset,
              static_cast<int64_t>(Fixture(name).size()))
        << name;
  }
}

TEST(Decode, EveryCutIsRejected) {
  for (const char* name :
       {"rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "interlaced.png",
        "palette.png", "alpha.png", "lossy.webp", "lossless.webp", "alpha.webp"}) {
    const std::vector<uint8_t> whole = Fixture(name);
    for (size_t size = 0; size < whole.size(); ++size) {
      // A cut inside the magic bytes leaves nothing to know it by.
      const auto outcome = Decode({whole.data(), size}, {});
      ASSERT_FALSE(outcome.ok()) << name << " cut to " << size;
      if (size >= 12) {
        ASSERT_EQ(outcome.rejection().reason, Reason::kTruncated) << name << " cut to " << size;
      }
    }
  }
}

// Whatever is overwritten, an outcome comes back; with PNG's checksums never a wrong image.
TEST(Decode, OverwrittenBytesNeverGiveAWrongPng) {
  const std::vector<uint8_t> whole = Fixture("palette.png");
  const Image expected = DecodeFixture("palette.png").value();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] ^= 0x55;
    const auto outcome = Decode(damaged, {});
    if (!outcome.ok()) continue;
    EXPECT_EQ(outcome.value().rgb, expected.rgb) << "byte " << at;
  }
}

TEST(Decode, OverwrittenJpegAndWebpGiveAnOutcome) {
  for (const char* name : {"progressive.jpg", "cmyk.jpg", "lossy.webp", "alpha.webp"}) {
    const std::vector<uint8_t> whole = Fixture(name);
    for (size_t at = 0; at < whole.size(); ++at) {
      for (const int mask : {0x01, 0x80, 0xff}) {
        std::vector<uint8_t> damaged = whole;
        damaged[at] ^= static_cast<uint8_t>(mask);
        const auto outcome = Decode(damaged, {.max_pixels = 1'000'000});
        if (!outcome.ok()) continue;
        const Image& image = outcome.value();
        ASSERT_EQ(image.rgb.size(), size_t{3} * static_cast<size_t>(image.width * image.height));
      }
    }
  }
}

TEST(Decode, RefusesByTheHeaderWithoutMemory) {
  const int64_t before = PeakMemoryKb();
  for (const char* name : {"huge.jpg", "huge.png"}) {
    const auto outcome = DecodeFixture(name);
    ExpectRejected(outcome, Reason::kTooLarge, name);
    EXPECT_NE(outcome.rejection().detail.find("60000x60000"), std::string::npos);
  }
  EXPECT_LT(PeakMemoryKb() - before, 4096);
}

// A header within the limits, and no pixels behind it: memory grows with rows that are there.
TEST(Decode, LargeHeaderOfAShortFileCostsLittle) {
  std::vector<uint8_t> jpeg = Fixture("grey.jpg");
  const std::array<uint8_t, 2> sof = {0xff, 0xc0};
  const auto frame = std::ranges::search(jpeg, sof).begin();
  frame[5] = frame[7] = 0x30;  // 12,304 x 12,312 pixels, 454 MB
  const int64_t before = PeakMemoryKb();
  EXPECT_FALSE(Decode(jpeg, {}).ok());
  EXPECT_LT(PeakMemoryKb() - before, 64 * 1024);
}

TEST(Decode, KeepsToLimits) {
  EXPECT_TRUE(Decode(Fixture("rgb.jpg"), {.max_pixels = 24 * 16}).ok());
  ExpectRejected(Decode(Fixture("rgb.jpg"), {.max_pixels = 24 * 16 - 1}), Reason::kTooLarge, "jpg");
  ExpectRejected(Decode(Fixture("rgb.png"), {.max_pixels = 24 * 16 - 1}), Reason::kTooLarge, "png");
  ExpectRejected(Decode(Fixture("lossy.webp"), {.max_pixels = 24 * 16 - 1}), Reason::kTooLarge,
                 "webp");
  const auto size = static_cast<int64_t>(Fixture("rgb.jpg").size());
  EXPECT_TRUE(Decode(Fixture("rgb.jpg"), {.max_bytes = size}).ok());
  ExpectRejected(Decode(Fixture("rgb.jpg"), {.max_bytes = size - 1}), Reason::kTooLarge, "bytes");
  EXPECT_TRUE(Decode(Fixture("progressive.jpg"), {.max_scans = 20}).ok());
  ExpectRejected(Decode(Fixture("progressive.jpg"), {.max_scans = 2}), Reason::kTooLarge, "scans");
  EXPECT_TRUE(Decode(Fixture("many_scans.jpg"), {.max_scans = 631}).ok());
}

TEST(Decode, ShortMagicsAreNotReadBeyond) {
  for (const std::string_view text : {"\xff", "\xff\xd8", "\xff\xd8\xff", "\x89", "\x89PNG", "RIFF",
                                      "RIFF\x10\0\0\0WEB", "GIF8", "B", "BM", "II"}) {
    EXPECT_FALSE(Decode(Bytes(text), {}).ok());
  }
  ExpectRejected(Decode(Bytes("\xff\xd8\xff"), {}), Reason::kTruncated, "JPEG");
  ExpectRejected(Decode(Bytes("BMW is not a bitmap"), {}), Reason::kNotAnImage, "text");
}

TEST(Exif, IgnoresWhatIsMalformed) {
  using namespace std::string_view_literals;
  const auto orientation = [](std::string_view text) { return ExifOrientation(Bytes(text)); };
  const std::string_view big = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"sv;
  const std::string_view little =
      "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"sv;
  EXPECT_EQ(orientation(big), 6);
  EXPECT_EQ(orientation(little), 8);
  for (size_t size = 0; size < 22; ++size) EXPECT_EQ(orientation(big.substr(0, size)), 1) << size;
  EXPECT_EQ(orientation("Exif\0\0"sv), 1);
  EXPECT_EQ(orientation("MM\0*\xff\xff\xff\xff\0\0\0\0"sv), 1);  // directory beyond the end
  EXPECT_EQ(orientation("MM\0*\0\0\0\x08\xff\xff\0\0"sv), 1);    // 65,535 entries
  EXPECT_EQ(orientation("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0"sv), 1);  // 9
  EXPECT_EQ(orientation("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\x06\0\0"sv), 1);  // long
}

TEST(Sniff, DescribesTheStart) {
  EXPECT_EQ(DescribeStart(Bytes("hi")), "'hi'");
  EXPECT_EQ(DescribeStart(Bytes("%PDF-1.7\n\x80")), "'%PDF-1.7'");
  EXPECT_EQ(DescribeStart(Bytes("\x1f\x8b\x08")), "1f 8b 08");
}

// The first `share` of a sample's bytes.
std::vector<uint8_t> Cut(double share) {
  std::vector<uint8_t> bytes =
      ReadBytes(std::string(POMONA_SOURCE_DIR) + "/samples/fruits/Lemon/0_100.jpg");
  bytes.resize(static_cast<size_t>(share * static_cast<double>(bytes.size())));
  return bytes;
}

TEST(JpegPolicy, WhatIsThereIsDecodedAndTheRestIsGrey) {
  const Image whole = Decode(Cut(1), {}).value();
  EXPECT_EQ(whole.damage, "");
  ExpectRejected(Decode(Cut(0.9), {}, JpegPolicy::kStrict), Reason::kTruncated, "strict");
  for (const JpegPolicy policy : {JpegPolicy::kWarn, JpegPolicy::kLenient}) {
    const auto decoded = Decode(Cut(0.9), {}, policy);
    ASSERT_TRUE(decoded.ok()) << decoded.rejection().detail;
    const Image& image = decoded.value();
    EXPECT_EQ(image.damage, "the JPEG data end early");
    ASSERT_EQ(image.rgb.size(), whole.rgb.size());
    const auto half = static_cast<std::ptrdiff_t>(whole.rgb.size() / 2);
    EXPECT_TRUE(std::equal(whole.rgb.begin(), whole.rgb.begin() + half, image.rgb.begin()));
    EXPECT_NE(image.rgb, whole.rgb);
  }
}

TEST(JpegPolicy, WarnWantsHalfOfTheRows) {
  ExpectRejected(Decode(Cut(0.4), {}, JpegPolicy::kWarn), Reason::kTruncated, "warn");
  EXPECT_TRUE(Decode(Cut(0.4), {}, JpegPolicy::kLenient).ok());
}

TEST(JpegPolicy, NothingMakesAnImageOfAHeader) {
  for (const char* name : {"header_only.jpg", "empty.jpg", "zeros.jpg", "web_page.jpg"}) {
    EXPECT_FALSE(Decode(Fixture(name), {}, JpegPolicy::kLenient).ok()) << name;
  }
  ExpectRejected(Decode(Fixture("huge.jpg"), {}, JpegPolicy::kLenient), Reason::kTooLarge, "huge");
  ExpectRejected(Decode(Fixture("many_scans.jpg"), {}, JpegPolicy::kLenient), Reason::kTooLarge,
                 "many scans");
}

TEST(JpegPolicy, IsSpelledAsItIsRead) {
  for (const char* name : {"strict", "warn", "lenient"}) {
    EXPECT_EQ(ToString(*ParseJpegPolicy(name)), name);
  }
  EXPECT_TRUE(IsUsageError(ParseJpegPolicy("tolerant").status()));
}

}  // namespace
}  // namespace pomona::image
