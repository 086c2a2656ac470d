#include "pomona/cli/flags.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/base/threads.h"
#include "pomona/cli/precision.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/manifest.h"
#include "pomona/extract/memory.h"

namespace pomona::cli {
namespace {

using nlohmann::json;

// A range that is told when it is left, not in every line of the help.
CLI::Validator Within(int64_t low, int64_t high) { return CLI::Range(low, high).description(""); }

std::string Percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %%", 100 * fraction);
  return text;
}

// Components needed for `fraction` of the variance.
int Needed(const std::vector<double>& ratio, double fraction) {
  double sum = 0;
  for (size_t i = 0; i < ratio.size(); ++i) {
    sum += ratio[i];
    if (sum >= fraction - 1e-12) return static_cast<int>(i) + 1;
  }
  return static_cast<int>(ratio.size());
}

double Kept(const reduce::Pca& pca) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  double sum = 0;
  for (int i = 0; i < pca.k; ++i) sum += ratio[static_cast<size_t>(i)];
  return sum;
}

// "3 truncated, 1 not_an_image" over the committed dataset.
std::string ReasonCounts(const io::Store& results) {
  const auto dataset = dataset::Dataset::Open(results);
  if (!dataset.ok()) return "";
  std::map<std::string_view, int64_t> counts;
  for (size_t i = 0; i < dataset->num_parts(); ++i) {
    if (dataset->manifest().parts[i].rejected == 0) continue;
    const auto part = dataset->ReadRows(i);
    if (!part.ok()) continue;
    for (const auto& rejected : part->rejected) ++counts[ReasonName(rejected.why.reason)];
  }
  std::string text;
  for (const auto& [reason, n] : counts) {
    text += (text.empty() ? "" : ", ") + WithThousands(n) + " " + std::string(reason);
  }
  return text;
}

std::string Origins(const extract::ExtractReport& r) {
  std::string text;
  const auto add = [&](int64_t n, const char* what) {
    if (n > 0) text += (text.empty() ? "" : ", ") + WithThousands(n) + " " + what;
  };
  add(r.computed, "computed now");
  add(r.kept, "already there");
  add(r.carried, "carried over");
  add(r.resumed, "finished by an interrupted run");
  add(r.replaced, "replaced since");
  add(r.removed, "no longer in the source");
  return text;
}

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

void ExtractFlags::Add(CLI::App* command) {
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return command->add_option(name, value, help)->type_name(type)->capture_default_str();
  };
  add("IMAGES", images, "", "Folder, .tar, .parquet or .csv (path,label); also in s3://")
      ->required();
  add("RESULTS", results, "", "Folder for the results, also in s3://; made if missing")->required();
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
  add("--label", label, "L", "folder (the image's), none, or a manifest's column");
  threads.Add(command);
  add("--part-images", part_images, "N", "Images a part file, the unit of resuming")
      ->check(Within(1, 1 << 20));
  add("--max-pixels", limits.max_pixels, "N", "Larger images are rejected")
      ->check(Within(1, int64_t{1} << 40));
  add("--max-bytes", limits.max_bytes, "N", "Larger files are rejected")
      ->check(Within(1, int64_t{1} << 40));
  command->add_flag("--sandbox", sandbox,
                    "Decode in processes that may do nothing else; a crash rejects one image");
  command->add_option("--memory", memory, "Most memory to take, e.g. 1GB [no bound]")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(true).description(""));
  profile.Add(command);
  watch.Add(command);
  bucket.Add(command);
}

bool Changed(const extract::ExtractReport& r) {
  return r.computed + r.resumed + r.carried + r.removed + r.replaced > 0;
}

Status Reopen(const ExtractFlags& flags, ExtractJob* job) {
  ARROW_ASSIGN_OR_RAISE(job->source,
                        io::OpenSource(flags.images, {flags.label, flags.bucket.options}));
  return Status::OK();
}

Result<ExtractJob> Prepare(const ExtractFlags& flags) {
  ExtractJob job;
  job.auto_precision = flags.precision == "auto";
  job.weights = flags.weights;
  ARROW_ASSIGN_OR_RAISE(
      const model::Precision precision,
      model::ParsePrecision(job.auto_precision ? "f32" : std::string_view(flags.precision)));
  ARROW_ASSIGN_OR_RAISE(job.options.recipe.denoise, image::ParseDenoise(flags.denoise));
  ARROW_ASSIGN_OR_RAISE(job.options.recipe.resize, image::ParseResize(flags.resize));
  ARROW_ASSIGN_OR_RAISE(job.options.recipe.jpeg_policy, image::ParseJpegPolicy(flags.jpeg_policy));
  ARROW_ASSIGN_OR_RAISE(job.card, model::FindCard(flags.model));
  if (flags.sandbox) {  // before anything that starts threads or holds much memory
    ARROW_ASSIGN_OR_RAISE(job.sandbox, image::Sandbox::Start({.limits = flags.limits}));
    job.options.sandbox = job.sandbox.get();
  }
  ARROW_ASSIGN_OR_RAISE(job.results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_RETURN_NOT_OK(Reopen(flags, &job));
  std::error_code error;
  if (job.source->uri() == job.results->uri() ||
      std::filesystem::equivalent(job.source->uri(), job.results->uri(), error)) {
    return UsageError("IMAGES and RESULTS are both " + Quoted(job.source->uri()) +
                      ": give another folder for the results (it may lie inside)");
  }
  job.options.recipe.width = job.card.input.width;
  job.options.recipe.height = job.card.input.height;
  job.options.limits = flags.limits;
  job.options.part_images = flags.part_images;
  job.options.threads = flags.threads.threads;
  ARROW_ASSIGN_OR_RAISE(
      job.runner, model::Runner::Load(job.card, {precision, job.options.threads, flags.weights}));
  if (flags.memory > 0) {
    ARROW_RETURN_NOT_OK(
        extract::FitMemory(static_cast<int64_t>(flags.memory), job.runner.get(), &job.options));
  }
  return job;
}

Result<extract::ExtractReport> RunExtract(ExtractJob* job, Profile* profile, Context* context) {
  Observer observer = context->console.observer();
  observer.profile = profile;
  ARROW_RETURN_NOT_OK(ChoosePrecision(job, context));
  auto report = extract::Extract(*job->source, job->runner.get(), job->results.get(), job->options,
                                 observer, context->stop);
  context->console.EndProgress();
  if (report.ok() && report->damaged > 0 &&
      job->options.recipe.jpeg_policy == image::JpegPolicy::kWarn) {
    observer.Warn(Counted(report->damaged, "image") +
                  " decoded although damaged: the column `damage` of the features says how");
  }
  return report;
}

void PrintExtract(const ExtractJob& job, const extract::ExtractReport& report, Console* console) {
  if (console->json) return;
  console->Line(Counted(report.listed, "image") + ": " + Counted(report.featured, "feature") +
                " of " + WithThousands(job.runner->dimension()) + " numbers, " +
                WithThousands(report.rejected) + " rejected (" + job.card.id + ", " +
                model::ToString(job.runner->precision()) + ")");
  std::string origins = Origins(report);
  if (report.computed > 0 && report.seconds > 0) {
    char rate[64];
    std::snprintf(rate, sizeof(rate), " in %s (%.0f images/s)",
                  HumanDuration(report.seconds).c_str(),
                  static_cast<double>(report.computed) / report.seconds);
    origins += rate;
  }
  console->Line("  " + origins);
  if (report.rejected > 0) {
    console->Line("  rejected: " + ReasonCounts(*job.results) + "; each with its reason in " +
                  job.results->Describe(dataset::kRejectedName));
  }
  if (report.ignored > 0) {
    console->Line("  " + Counted(report.ignored, "other file") +
                  " passed over: not an image by name");
  }
  PrintChoice(job, console);
}

json ToJson(const ExtractJob& job, const extract::ExtractReport& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.computed) / r.seconds : 0;
  return {{"source", job.source->uri()},
          {"results", job.results->uri()},
          {"model", job.card.id},
          {"precision", model::ToString(job.runner->precision())},
          {"precision_choice", ChoiceJson(job)},
          {"dimension", job.runner->dimension()},
          {"recipe", image::ToJson(job.options.recipe)},
          {"threads", job.options.threads},
          {"sandbox", job.sandbox != nullptr},
          {"listed", r.listed},
          {"ignored", r.ignored},
          {"featured", r.featured},
          {"rejected", r.rejected},
          {"kept", r.kept},
          {"carried", r.carried},
          {"resumed", r.resumed},
          {"computed", r.computed},
          {"damaged", r.damaged},
          {"removed", r.removed},
          {"replaced", r.replaced},
          {"seconds", r.seconds},
          {"images_per_second", rate}};
}

void ComponentsFlag::Add(CLI::App* command) {
  command
      ->add_option("--k", k,
                   "Components to keep: a number (6), or a fraction of the variance (0.95)")
      ->capture_default_str();
}

void PrintReduce(const reduce::Pca& pca, Console* console) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  console->Line(Counted(pca.k, "component") + (pca.k == 1 ? " keeps " : " keep ") +
                Percent(Kept(pca)) + " of the variance of " + Counted(pca.n, "image") +
                " (90 % needs " + WithThousands(Needed(ratio, 0.9)) + ", 95 % " +
                WithThousands(Needed(ratio, 0.95)) + ", 99 % " +
                WithThousands(Needed(ratio, 0.99)) + ")");
}

json ToJson(const reduce::Pca& pca) {
  const std::vector<double> ratio = pca.ExplainedRatio();
  return {{"n", pca.n},
          {"dimension", pca.dimension},
          {"k", pca.k},
          {"rank", pca.rank},
          {"constant_columns", pca.scaler.constant.size()},
          {"kept_variance", Kept(pca)},
          {"explained_ratio", std::vector<double>(ratio.begin(), ratio.begin() + pca.k)}};
}

}  // namespace pomona::cli
