#include <memory>

#include "pomona/cli/flags.h"
#include "pomona/cli/job.h"
#include "pomona/cli/report.h"
#include "pomona/dataset/manifest.h"

namespace pomona::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  pomona extract samples/fruits results\n"
    "  pomona extract list.csv results --label class --denoise none\n"
    "  pomona extract photos results --model resnet50-v1.5 --weights resnet50-0676ba61.pth\n"
    "\n"
    "Writes RESULTS/features: part-*.parquet (path, label, features, ...), and in _pomona/ the\n"
    "manifest and rejected.parquet (every image without a feature, and why).";

Result<int> Once(ExtractFlags* flags, ExtractJob* job, bool first, Context* context) {
  ARROW_ASSIGN_OR_RAISE(const extract::ExtractReport report,
                        RunExtract(job, flags->profile.profile(), context));
  if (!first && !report.changed()) return kExitDone;
  PrintExtract(*job, report, &context->console);
  context->console.Line("  in " + job->results->Describe(dataset::kFeaturesFolder) +
                        "; next: pomona reduce RESULTS");
  ARROW_RETURN_NOT_OK(flags->profile.Finish(job->options.threads, report.computed,
                                            job->results.get(), &context->console));
  nlohmann::json json = ToJson(*job, report);
  json["profile"] = flags->profile.ToJson();
  context->console.Json(json);
  return report.rejected > 0 ? kExitRejected : kExitDone;
}

Result<int> Run(ExtractFlags* flags, Context* context) {
  ARROW_ASSIGN_OR_RAISE(ExtractJob job, Prepare(*flags));
  return WatchSource(*flags, &job, context,
                     [&](bool first) { return Once(flags, &job, first, context); });
}

}  // namespace

void AddExtract(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ExtractFlags>();
  CLI::App* command = app->add_subcommand("extract", "Images in; features out");
  command->footer(kFooter);
  flags->Add(command);
  command->callback([flags, context] {
    context->action = [flags, context] { return Run(flags.get(), context); };
  });
}

}  // namespace pomona::cli
