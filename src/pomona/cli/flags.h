// Flags that several commands share, and what they mean.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "pomona/base/status.h"
#include "pomona/cli/command.h"
#include "pomona/cli/profile.h"
#include "pomona/cli/watch.h"
#include "pomona/extract/extract.h"
#include "pomona/image/sandbox.h"
#include "pomona/io/bucket.h"
#include "pomona/io/source.h"
#include "pomona/io/store.h"
#include "pomona/model/card.h"
#include "pomona/precision/choose.h"
#include "pomona/reduce/pca.h"
#include "pomona/reduce/reduce.h"

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

// IMAGES RESULTS --model --weights --precision --denoise --resize --label --part-images --threads
// --jpeg-policy --sandbox --memory --max-pixels --max-bytes --profile --watch --watch-queue
struct ExtractFlags {
  std::string images;
  std::string results;
  std::string model = "efficientnet-lite0";
  std::string weights;
  std::string precision = "f32";
  std::string denoise = "nlm:3";
  std::string resize = "bilinear";
  std::string jpeg_policy = "strict";
  std::string label;
  int64_t part_images = 1024;
  image::DecodeLimits limits;
  bool sandbox = false;
  ThreadsFlag threads;
  BucketFlags bucket;
  uint64_t memory = 0;  // bytes; 0: no bound
  ProfileFlag profile;
  WatchFlags watch;

  void Add(CLI::App* command);
};

struct ExtractJob {
  model::Card card;
  std::unique_ptr<image::Sandbox> sandbox;  // --sandbox
  std::unique_ptr<io::Source> source;
  std::unique_ptr<io::Store> results;
  std::unique_ptr<model::Runner> runner;
  extract::ExtractOptions options;
  std::filesystem::path weights;            // --weights
  bool auto_precision = false;              // --precision auto: RunExtract chooses, `runner` is f32
  std::optional<precision::Choice> choice;  // what it found
};

// Everything that can be wrong with the flags is found here, cheapest first, before any image is
// read.
Result<ExtractJob> Prepare(const ExtractFlags& flags);

// Whether an extraction left the dataset other than it was.
bool Changed(const extract::ExtractReport& report);

// Opens the source anew, so that a file that was replaced is read as it is now.
Status Reopen(const ExtractFlags& flags, ExtractJob* job);

Result<extract::ExtractReport> RunExtract(ExtractJob* job, Profile* profile, Context* context);

// "50 images: 48 features of 1,280 numbers, 2 rejected" and what to look at.
void PrintExtract(const ExtractJob& job, const extract::ExtractReport& report, Console* console);
nlohmann::json ToJson(const ExtractJob& job, const extract::ExtractReport& report);

// --k
struct ComponentsFlag {
  std::string k = "6";
  void Add(CLI::App* command);
};

void PrintReduce(const reduce::Pca& pca, Console* console);
nlohmann::json ToJson(const reduce::Pca& pca);

}  // namespace pomona::cli
