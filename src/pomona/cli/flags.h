// Flags that several commands, or other programs (ParseFlags), share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "pomona/base/status.h"
#include "pomona/cli/command.h"
#include "pomona/cli/profile.h"
#include "pomona/cli/watch.h"
#include "pomona/image/decode.h"
#include "pomona/io/bucket.h"

namespace pomona::cli {

// --threads: by default every CPU this process may use.
struct ThreadsFlag {
  int threads = 0;
  void Add(CLI::App* command);
};

// --endpoint-url --region --ca-bundle --no-sign-request --request-payer --virtual-hosted: how
// object stores are asked. Credentials come from the environment only.
struct BucketFlags {
  io::BucketOptions options;
  void Add(CLI::App* command);
};

// How an image becomes a feature: --model --weights --precision --denoise --resize --jpeg-policy
// --threads --max-pixels --max-bytes --sandbox --memory
struct FeatureFlags {
  std::string model = "efficientnet-lite0";
  std::string weights;
  std::string precision = "f32";
  std::string denoise = "nlm:3";
  std::string resize = "bilinear";
  std::string jpeg_policy = "strict";
  image::DecodeLimits limits;
  bool sandbox = false;
  ThreadsFlag threads;
  uint64_t memory = 0;  // bytes; 0: no bound

  void Add(CLI::App* command);
};

// IMAGES RESULTS --label --part-images --profile --watch --watch-queue, those of a feature and
// those of buckets.
struct ExtractFlags : FeatureFlags {
  std::string images;
  std::string results;
  std::string label;
  int64_t part_images = 1024;
  BucketFlags bucket;
  ProfileFlag profile;
  WatchFlags watch;

  void Add(CLI::App* command);
};

// --k
struct ComponentsFlag {
  std::string k = "6";
  void Add(CLI::App* command);
};

// RESULTS, and the flags of buckets.
struct ResultsFlags {
  std::string results;
  BucketFlags bucket;

  void Add(CLI::App* command, const char* help);
};

// RESULTS --k --threads
struct ReduceFlags : ResultsFlags {
  ComponentsFlag components;
  ThreadsFlag threads;

  void Add(CLI::App* command);
};

// The flags that `args` give, as `pomona COMMAND args...` would take them. UsageError.
template <typename Flags>
Result<std::unique_ptr<Flags>> ParseFlags(const std::string& command,
                                          const std::vector<std::string>& args) {
  auto flags = std::make_unique<Flags>();
  CLI::App app("", "pomona");
  flags->Add(app.add_subcommand(command));
  std::vector<std::string> line = {command};
  line.insert(line.end(), args.begin(), args.end());
  ARROW_RETURN_NOT_OK(ParseArgs(&app, std::move(line)));
  return flags;
}

}  // namespace pomona::cli
