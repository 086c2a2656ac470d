// Every kernel on a sample image of the size that networks see. bench/opencv_kernels.py measures
// OpenCV's on the same image.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <vector>

#include "pomona/image/decode.h"
#include "pomona/image/kernels/filter.h"
#include "pomona/image/kernels/lab.h"
#include "pomona/image/kernels/nlm.h"
#include "pomona/image/kernels/resize.h"

namespace pomona::image {
namespace {

std::vector<uint8_t> SampleBytes() {
  std::ifstream file(POMONA_SOURCE_DIR "/samples/fruits/Cauliflower/0_100.jpg", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const Image& Sample() {
  static const Image image = Decode(SampleBytes(), {}).value();
  return image;
}

const Image& Resized() {
  static const Image image = ResizeBilinear(Sample(), 224, 224);
  return image;
}

// As large as a small camera's.
const Image& Photo() {
  static const Image image = ResizeBicubic(Sample(), 1600, 1200);
  return image;
}

void BM_Decode(benchmark::State& state) {
  const std::vector<uint8_t> bytes = SampleBytes();
  for (auto _ : state) benchmark::DoNotOptimize(Decode(bytes, {}));
}
BENCHMARK(BM_Decode)->Unit(benchmark::kMicrosecond);

template <Image (*kResize)(const Image&, int, int), const Image& (*kSource)()>
void BM_Resize(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(kResize(kSource(), 224, 224));
}
BENCHMARK(BM_Resize<&ResizeBilinear, &Sample>)
    ->Name("BM_EnlargeBilinear")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizeArea, &Sample>)->Name("BM_EnlargeArea")->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizeBicubic, &Sample>)
    ->Name("BM_EnlargeBicubic")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizePilBilinear, &Sample>)
    ->Name("BM_EnlargePilBilinear")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizeBilinear, &Photo>)
    ->Name("BM_ShrinkBilinear")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizeArea, &Photo>)->Name("BM_ShrinkArea")->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizeBicubic, &Photo>)
    ->Name("BM_ShrinkBicubic")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Resize<&ResizePilBilinear, &Photo>)
    ->Name("BM_ShrinkPilBilinear")
    ->Unit(benchmark::kMicrosecond);

template <Image (*kFilter)(const Image&)>
void BM_Filter(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(kFilter(Resized()));
}
BENCHMARK(BM_Filter<&GaussianBlur3>)->Name("BM_Gaussian")->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Filter<&MedianBlur3>)->Name("BM_Median")->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Filter<&BilateralFilter5>)->Name("BM_Bilateral")->Unit(benchmark::kMicrosecond);

void BM_Lab(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(FromLab(ToLab(Resized())));
}
BENCHMARK(BM_Lab)->Unit(benchmark::kMicrosecond);

void BM_Nlm(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(NlmDenoise(Resized(), static_cast<float>(state.range(0))));
  }
}
BENCHMARK(BM_Nlm)->Arg(3)->Arg(5)->Arg(10)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pomona::image
