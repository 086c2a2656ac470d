#include "pomona/extract/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#include "pomona/base/text.h"

namespace pomona::extract {
namespace {

constexpr int64_t kLeastPixels = 1'000'000;
constexpr int64_t kBytesPerRgb = 3;

// proc(5), statm: size and resident set in pages.
Result<int64_t> ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  if (!(in >> size >> resident)) {
    return Status::IOError("cannot read /proc/self/statm, which --memory needs");
  }
  return resident * sysconf(_SC_PAGESIZE);
}

// A network allocates what it works in when it first runs.
Status WarmUp(model::Runner* runner, int threads) {
  const model::Input& input = runner->card().input;
  const std::vector<uint8_t> rgb(static_cast<size_t>(input.width) * input.height * 3);
  std::vector<Status> statuses(static_cast<size_t>(threads));
  {
    std::vector<std::jthread> workers;
    workers.reserve(statuses.size());
    for (Status& status : statuses) {
      workers.emplace_back([&] {
        std::vector<float> feature(static_cast<size_t>(runner->dimension()));
        status = runner->Run(rgb, feature);
      });
    }
  }
  for (const Status& status : statuses) ARROW_RETURN_NOT_OK(status);
  return Status::OK();
}

// What allocators hold on to between images and parts.
constexpr int64_t kSlack = 48'000'000;

// The features of a part while it is built, as Arrow columns, as a Parquet file, and of the next.
int64_t PartBytes(const ExtractOptions& options, int dimension) {
  return options.part_images * dimension * int64_t{sizeof(float)} * 4;
}

// What the zygote and a worker a thread take before they have work.
Result<int64_t> SandboxBytes(const ExtractOptions& options) {
  if (options.sandbox == nullptr) return 0;
  ARROW_ASSIGN_OR_RAISE(const int64_t one, options.sandbox->IdleBytes());
  return one * (options.threads + 1);
}

}  // namespace

Status FitMemory(int64_t memory, model::Runner* runner, ExtractOptions* options) {
  ARROW_RETURN_NOT_OK(WarmUp(runner, options->threads));
  ARROW_ASSIGN_OR_RAISE(const int64_t resident, ResidentBytes());
  ARROW_ASSIGN_OR_RAISE(const int64_t sandbox, SandboxBytes(*options));
  const int64_t fixed = resident + sandbox + kSlack + PartBytes(*options, runner->dimension());
  // What a worker has of an image, file and pixels, the program has once more.
  const bool twice = options->sandbox != nullptr;
  const int64_t bytes_per_pixel = kBytesPerPixel + (twice ? kBytesPerRgb : 0);
  const int64_t least = fixed + options->threads * kLeastPixels * bytes_per_pixel * 4 / 3;
  if (memory < least) {
    return UsageError("--memory " + HumanBytes(memory) + " is too little: the program and model '" +
                      runner->card().id + "' on " + Counted(options->threads, "thread") + " take " +
                      HumanBytes(fixed) + ", and images need some more: give --memory " +
                      std::to_string(least / 1'000'000 + 1) +
                      "MB or more, fewer --threads or smaller --part-images");
  }
  // Little for groups, which only make it faster; of the rest a quarter for files, three for
  // pixels.
  options->group_bytes = std::min(options->group_bytes, (memory - least) / 32 / options->threads);
  const int64_t free = memory - fixed - options->threads * options->group_bytes;
  const int64_t files = free / 4 / (twice ? 2 : 1);
  options->read_ahead_bytes = std::min(options->read_ahead_bytes, files);
  image::DecodeLimits& limits = options->limits;
  limits.max_bytes = std::min(limits.max_bytes, files / options->threads);
  limits.max_pixels =
      std::min(limits.max_pixels, free * 3 / 4 / options->threads / bytes_per_pixel);
  return Status::OK();
}

}  // namespace pomona::extract
