#include "pomona/cli/flags.h"

#include "pomona/base/threads.h"

namespace pomona::cli {
namespace {

// A range that is told when it is left, not in every line of the help.
CLI::Validator Within(int64_t low, int64_t high) { return CLI::Range(low, high).description(""); }

}  // namespace

void ThreadsFlag::Add(CLI::App* command) {
  threads = AvailableCpus();
  command->add_option("--threads", threads, "Images in work at the same time [all CPUs]")
      ->type_name("N")
      ->check(Within(1, 1024));
}

void BucketFlags::Add(CLI::App* command) {
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    command->add_option(name, value, help)->type_name(type)->group("Buckets");
  };
  const auto add_flag = [&](const char* name, bool& value, const char* help) {
    command->add_flag(name, value, help)->group("Buckets");
  };
  add("--endpoint-url", options.endpoint, "URL", "Of the store [AWS_ENDPOINT_URL_S3, or Amazon]");
  add("--region", options.region, "R", "Of the bucket [AWS_REGION, or the profile's]");
  add("--ca-bundle", options.ca_file, "FILE", "Certificates to trust [AWS_CA_BUNDLE]");
  add_flag("--no-sign-request", options.anonymous, "Ask without credentials: public buckets");
  add_flag("--request-payer", options.requester_pays, "Pay for reading from somebody's bucket");
  add_flag("--virtual-hosted", options.virtual_hosted, "The bucket is part of the endpoint's host");
}

void FeatureFlags::Add(CLI::App* command) {
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    return command->add_option(name, value, help)->type_name(type)->capture_default_str();
  };
  add("--model", model, "ID", "Model card: an id of `pomona models list`, or a card's file");
  // An unset shell variable must not mean other weights than the ones meant.
  add("--weights", weights, "FILE", "Weights instead of the card's own: .h5 .pth .safetensors")
      ->check([](const std::string& file) -> std::string { return file.empty() ? "no file" : ""; });
  add("--precision", precision, "P",
      "f32, bf16, int8, or auto: the fastest that agrees with f32 here");
  add("--denoise", denoise, "D", "none, gaussian, median, bilateral, nlm[:H] (H: strength)");
  add("--resize", resize, "R", "bilinear, area, bicubic, pil-bilinear");
  add("--jpeg-policy", jpeg_policy, "J",
      "Damaged JPEGs: strict rejects them, warn takes those with half of their rows, lenient all");
  threads.Add(command);
  const auto add_limit = [&](const char* name, int64_t& value, const char* help) {
    command->add_option(name, value, help)
        ->type_name("N")
        ->capture_default_str()
        ->check(Within(1, int64_t{1} << 40));
  };
  add_limit("--max-pixels", limits.max_pixels, "Larger images are rejected");
  add_limit("--max-bytes", limits.max_bytes, "Larger files are rejected");
  command->add_flag("--sandbox", sandbox,
                    "Decode in processes that may do nothing else; a crash rejects one image");
  command->add_option("--memory", memory, "Most memory to take, e.g. 1GB [no bound]")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(true).description(""));
}

void ExtractFlags::Add(CLI::App* command) {
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return command->add_option(name, value, help)->type_name(type)->capture_default_str();
  };
  add("IMAGES", images, "", "Folder, .tar, .parquet or .csv (path,label); also in s3://")
      ->required();
  add("RESULTS", results, "", "Folder for the results, also in s3://; made if missing")->required();
  FeatureFlags::Add(command);
  add("--label", label, "L", "folder (the image's), none, or a manifest's column");
  add("--part-images", part_images, "N", "Images a part file, the unit of resuming")
      ->check(Within(1, 1 << 20));
  profile.Add(command);
  watch.Add(command);
  bucket.Add(command);
}

void ComponentsFlag::Add(CLI::App* command) {
  command
      ->add_option("--k", k,
                   "Components to keep: a number (6), or a fraction of the variance (0.95)")
      ->capture_default_str();
}

void ResultsFlags::Add(CLI::App* command, const char* help) {
  command->add_option("RESULTS", results, help)->required()->type_name("");
  bucket.Add(command);
}

void ReduceFlags::Add(CLI::App* command) {
  ResultsFlags::Add(command, "Results folder of `pomona extract`, also in s3://");
  components.Add(command);
  threads.Add(command);
}

}  // namespace pomona::cli
