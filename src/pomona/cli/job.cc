#include "pomona/cli/job.h"

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/cli/precision.h"
#include "pomona/cli/watch.h"
#include "pomona/extract/memory.h"
#include "pomona/image/recipe.h"

namespace pomona::cli {
namespace {

constexpr std::string_view kAuto = "auto";

Status OpenSource(const ExtractFlags& flags, ExtractJob* job) {
  ARROW_ASSIGN_OR_RAISE(job->source,
                        io::OpenSource(flags.images, {flags.label, flags.bucket.options}));
  return Status::OK();
}

// What the flags alone tell: card and recipe.
Status ReadRecipe(const FeatureFlags& flags, FeatureJob* job) {
  image::Recipe& recipe = job->options.recipe;
  ARROW_ASSIGN_OR_RAISE(recipe.denoise, image::ParseDenoise(flags.denoise));
  ARROW_ASSIGN_OR_RAISE(recipe.resize, image::ParseResize(flags.resize));
  ARROW_ASSIGN_OR_RAISE(recipe.jpeg_policy, image::ParseJpegPolicy(flags.jpeg_policy));
  ARROW_ASSIGN_OR_RAISE(job->card, model::FindCard(flags.model));
  recipe.width = job->card.input.width;
  recipe.height = job->card.input.height;
  job->options.limits = flags.limits;
  job->options.threads = flags.threads.threads;
  job->weights = flags.weights;
  return Status::OK();
}

// Before anything that starts threads or holds much memory.
Status StartSandbox(const FeatureFlags& flags, FeatureJob* job) {
  if (!flags.sandbox) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(job->sandbox, image::Sandbox::Start({.limits = flags.limits}));
  job->options.sandbox = job->sandbox.get();
  return Status::OK();
}

Status LoadRunner(const FeatureFlags& flags, model::Precision precision, FeatureJob* job) {
  ARROW_ASSIGN_OR_RAISE(
      job->runner, model::Runner::Load(job->card, {precision, job->options.threads, job->weights}));
  if (flags.memory == 0) return Status::OK();
  return extract::FitMemory(static_cast<int64_t>(flags.memory), job->runner.get(), &job->options);
}

Status CheckApart(const io::Source& source, const io::Store& results) {
  std::error_code error;
  if (source.uri() != results.uri() &&
      !std::filesystem::equivalent(source.uri(), results.uri(), error)) {
    return Status::OK();
  }
  return UsageError("IMAGES and RESULTS are both " + Quoted(source.uri()) +
                    ": give another folder for the results (it may lie inside)");
}

}  // namespace

Result<FeatureJob> Prepare(const FeatureFlags& flags) {
  FeatureJob job;
  if (flags.precision == kAuto) {
    return UsageError(
        "--precision auto compares precisions on a whole source: give f32, bf16 or "
        "int8 here");
  }
  ARROW_ASSIGN_OR_RAISE(const auto precision, model::ParsePrecision(flags.precision));
  ARROW_RETURN_NOT_OK(ReadRecipe(flags, &job));
  ARROW_RETURN_NOT_OK(StartSandbox(flags, &job));
  ARROW_RETURN_NOT_OK(LoadRunner(flags, precision, &job));
  return job;
}

Result<ExtractJob> Prepare(const ExtractFlags& flags) {
  ExtractJob job;
  job.auto_precision = flags.precision == kAuto;
  ARROW_ASSIGN_OR_RAISE(const auto precision,
                        model::ParsePrecision(job.auto_precision ? "f32" : flags.precision));
  ARROW_RETURN_NOT_OK(ReadRecipe(flags, &job));
  job.options.part_images = flags.part_images;
  ARROW_RETURN_NOT_OK(StartSandbox(flags, &job));
  ARROW_ASSIGN_OR_RAISE(job.results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_RETURN_NOT_OK(OpenSource(flags, &job));
  ARROW_RETURN_NOT_OK(CheckApart(*job.source, *job.results));
  ARROW_RETURN_NOT_OK(LoadRunner(flags, precision, &job));
  return job;
}

Result<extract::ExtractReport> RunExtract(ExtractJob* job, Profile* profile, Context* context) {
  Observer observer = context->console.observer();
  observer.profile = profile;
  ARROW_ASSIGN_OR_RAISE(std::optional<io::Listing> listing, ChoosePrecision(job, context));
  auto report = extract::Extract(*job->source, job->runner.get(), job->results.get(), job->options,
                                 observer, context->stop, std::move(listing));
  context->console.EndProgress();
  if (report.ok() && report->damaged > 0 &&
      job->options.recipe.jpeg_policy == image::JpegPolicy::kWarn) {
    observer.Warn(Counted(report->damaged, "image") +
                  " decoded although damaged: the column `damage` of the features says how");
  }
  return report;
}

Result<int> WatchSource(const ExtractFlags& flags, ExtractJob* job, Context* context,
                        const std::function<Result<int>(bool first)>& once) {
  bool first = true;
  return Watch(flags.watch, flags.bucket.options, context, [&]() -> Result<int> {
    if (job->source == nullptr) ARROW_RETURN_NOT_OK(OpenSource(flags, job));
    auto code = once(first);
    job->source.reset();
    first = first && !code.ok();
    return code;
  });
}

}  // namespace pomona::cli
