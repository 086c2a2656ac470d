// Plain loops, compiled once for every instruction set so that the compiler vectorises them for
// each; Highway chooses at run time.
#include "pomona/image/kernels/lab.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pomona/image/kernels/lab.cc"
#include <hwy/foreach_target.h>
// The target list above must come first.
#include <hwy/highway.h>

#ifndef POMONA_IMAGE_KERNELS_LAB_TABLES
#define POMONA_IMAGE_KERNELS_LAB_TABLES
namespace pomona::image {

inline constexpr int kMatrixBits = 12;  // of the colour matrices
inline constexpr int kLinearBits = 3;   // by which linear light is finer than 8 bits
inline constexpr int kRootBits = 15;    // of f(t), the cube root of CIE 15
inline constexpr int kXyzBits = 14;     // of X, Y, Z on the way back
inline constexpr int kOutBits = 12;     // of RGB on the way back, before it becomes 8 bits
inline constexpr int32_t kOutOne = 1 << kOutBits;
inline constexpr int kRootEntries = 256 * 3 / 2 << kLinearBits;
inline constexpr int kMinF = -8145;  // smallest f(X), f(Z) there is, in kXyzBits
inline constexpr int kFEntries = (1 << kXyzBits) * 9 / 4;

struct LabTables {
  std::array<int32_t, 9> to_xyz;    // rows X, Y, Z over the white point; columns R, G, B
  std::array<int32_t, 9> from_xyz;  // rows R, G, B; columns X, Y, Z
  std::array<int32_t, kRootEntries> root;
  std::array<int32_t, 256> y_of_l;  // Y and f(Y) by 8-bit L
  std::array<int32_t, 256> f_of_l;
  std::array<int32_t, kFEntries> cube;  // X or Z by f - kMinF
};

}  // namespace pomona::image
#endif

HWY_BEFORE_NAMESPACE();
namespace pomona::image::HWY_NAMESPACE {

HWY_INLINE int32_t ClampTo(int32_t value, int32_t most) {
  return value < 0 ? 0 : value > most ? most : value;
}
HWY_INLINE int32_t ToByte(int32_t value) { return ClampTo(value, 255); }

void RowsToLab(const LabTables& tables, const uint8_t* HWY_RESTRICT rgb, size_t n,
               uint8_t* HWY_RESTRICT l_out, uint8_t* HWY_RESTRICT a_out,
               uint8_t* HWY_RESTRICT b_out) {
  constexpr int32_t kLScale = (116 * 255 + 50) / 100;
  constexpr int32_t kLShift = -((16 * 255 * (1 << kRootBits) + 50) / 100);
  constexpr int32_t kHalf = 1 << (kRootBits - 1);
  constexpr int32_t kMiddle = 128 << kRootBits;
  const int32_t* m = tables.to_xyz.data();
  const int32_t* root = tables.root.data();
  const auto mix = [root](int32_t r, int32_t g, int32_t b, int32_t mr, int32_t mg, int32_t mb) {
    return root[(r * mr + g * mg + b * mb + (1 << (kMatrixBits - 1))) >> kMatrixBits];
  };
  for (size_t i = 0; i < n; ++i) {
    const int32_t r = rgb[3 * i] << kLinearBits;
    const int32_t g = rgb[3 * i + 1] << kLinearBits;
    const int32_t b = rgb[3 * i + 2] << kLinearBits;
    const int32_t fx = mix(r, g, b, m[0], m[1], m[2]);
    const int32_t fy = mix(r, g, b, m[3], m[4], m[5]);
    const int32_t fz = mix(r, g, b, m[6], m[7], m[8]);
    l_out[i] = static_cast<uint8_t>(ToByte((kLScale * fy + kLShift + kHalf) >> kRootBits));
    a_out[i] = static_cast<uint8_t>(ToByte((500 * (fx - fy) + kMiddle + kHalf) >> kRootBits));
    b_out[i] = static_cast<uint8_t>(ToByte((200 * (fy - fz) + kMiddle + kHalf) >> kRootBits));
  }
}

void RowsFromLab(const LabTables& tables, const uint8_t* HWY_RESTRICT l_in,
                 const uint8_t* HWY_RESTRICT a_in, const uint8_t* HWY_RESTRICT b_in, size_t n,
                 uint8_t* HWY_RESTRICT rgb) {
  constexpr int32_t kOne = 1 << kXyzBits;
  constexpr int kShift = kMatrixBits + kXyzBits - kOutBits;
  const int32_t* m = tables.from_xyz.data();
  const auto mix = [](int32_t x, int32_t y, int32_t z, int32_t mx, int32_t my, int32_t mz) {
    const int32_t sum = (x * mx + y * my + z * mz + (1 << (kShift - 1))) >> kShift;
    const int32_t held = ClampTo(sum, kOutOne - 1);
    return static_cast<uint8_t>((held * 255) >> kOutBits);
  };
  for (size_t i = 0; i < n; ++i) {
    const int32_t y = tables.y_of_l[l_in[i]];
    const int32_t fy = tables.f_of_l[l_in[i]];
    // a / 500 and b / 200, by multiplication and with OpenCV's rounding.
    const int32_t da = ((5 * a_in[i] * 53687 + (1 << 7)) >> 13) - 128 * kOne / 500;
    const int32_t db = ((b_in[i] * 41943 + (1 << 4)) >> 9) - 128 * kOne / 200 + 1;
    const int32_t x = tables.cube[fy + da - kMinF];
    const int32_t z = tables.cube[fy - db - kMinF];
    rgb[3 * i] = mix(x, y, z, m[0], m[1], m[2]);
    rgb[3 * i + 1] = mix(x, y, z, m[3], m[4], m[5]);
    rgb[3 * i + 2] = mix(x, y, z, m[6], m[7], m[8]);
  }
}

}  // namespace pomona::image::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pomona::image {
namespace {

HWY_EXPORT(RowsToLab);
HWY_EXPORT(RowsFromLab);

// sRGB primaries and the D65 white point, in OpenCV's digits.
constexpr std::array<double, 9> kRgbToXyz = {0.412453, 0.357580, 0.180423, 0.212671, 0.715160,
                                             0.072169, 0.019334, 0.119193, 0.950227};
constexpr std::array<double, 9> kXyzToRgb = {3.240479, -1.53715, -0.498535, -0.969256, 1.875991,
                                             0.041556, 0.055648, -0.204043, 1.057311};
constexpr std::array<double, 3> kWhite = {0.950456, 1.0, 1.088754};

int32_t Rounded(double value) { return static_cast<int32_t>(std::lrint(value)); }

// CIE 15: f(t) is the cube root of t above (6/29)^3 and a line below.
double F(double t) { return t > 216.0 / 24389 ? std::cbrt(t) : t * 841 / 108 + 16.0 / 116; }

void FillMatrices(LabTables* tables) {
  for (size_t row = 0; row < 3; ++row) {
    for (size_t column = 0; column < 3; ++column) {
      const size_t i = 3 * row + column;
      tables->to_xyz[i] = Rounded((1 << kMatrixBits) * kRgbToXyz[i] / kWhite[row]);
      tables->from_xyz[i] = Rounded((1 << kMatrixBits) * kXyzToRgb[i] * kWhite[column]);
    }
  }
}

void FillL(LabTables* tables) {
  constexpr double kOne = 1 << kXyzBits;
  for (int i = 0; i < 256; ++i) {
    const double l = i * 100.0 / 255;
    const bool line = l < 8;  // below f's corner
    const double f = line ? 16.0 / 116 + l / 903.2962962962963 * 841 / 108 : (l + 16) / 116;
    tables->f_of_l[i] = Rounded(kOne * f);
    tables->y_of_l[i] = Rounded(kOne * (line ? l / 903.2962962962963 : f * f * f));
  }
}

// The inverse of F, in integers that are cut where OpenCV cuts them.
void FillCube(LabTables* tables) {
  constexpr int kOne = 1 << kXyzBits;
  constexpr int kCorner = 3390;  // 6 / 29
  for (int k = 0; k < kFEntries; ++k) {
    const int f = k + kMinF;
    tables->cube[static_cast<size_t>(k)] =
        f <= kCorner ? f * 108 / 841 - kOne * 16 / 116 * 108 / 841 : f * f / kOne * f / kOne;
  }
}

LabTables MakeTables() {
  LabTables tables = {};
  FillMatrices(&tables);
  constexpr double kWhiteLight = 255 * (1 << kLinearBits);
  for (int i = 0; i < kRootEntries; ++i) {
    // By way of a float, as in OpenCV: it decides two entries that lie midway.
    const auto root = static_cast<float>((1 << kRootBits) * F(i / kWhiteLight));
    tables.root[static_cast<size_t>(i)] = Rounded(root);
  }
  FillL(&tables);
  FillCube(&tables);
  return tables;
}

const LabTables& Tables() {
  static const LabTables tables = MakeTables();
  return tables;
}

}  // namespace

LabImage ToLab(const Image& image) {
  const auto n = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  LabImage lab{image.width, image.height, std::vector<uint8_t>(n), std::vector<uint8_t>(n),
               std::vector<uint8_t>(n)};
  HWY_DYNAMIC_DISPATCH(RowsToLab)
  (Tables(), image.rgb.data(), n, lab.l.data(), lab.a.data(), lab.b.data());
  return lab;
}

Image FromLab(const LabImage& lab) {
  const size_t n = lab.l.size();
  Image image{lab.width, lab.height, std::vector<uint8_t>(3 * n)};
  HWY_DYNAMIC_DISPATCH(RowsFromLab)
  (Tables(), lab.l.data(), lab.a.data(), lab.b.data(), n, image.rgb.data());
  return image;
}

}  // namespace pomona::image
#endif  // HWY_ONCE
