#include <algorithm>
#include <memory>

#include "pomona/base/text.h"
#include "pomona/cli/flags.h"
#include "pomona/cli/job.h"
#include "pomona/cli/report.h"
#include "pomona/dataset/dataset.h"
#include "pomona/reduce/reduce.h"
#include "pomona/view/plots.h"

namespace pomona::cli {
namespace {

struct RunFlags {
  ExtractFlags extract;
  ComponentsFlag components;
};

constexpr char kFooter[] =
    "Examples:\n"
    "  pomona run samples/fruits results\n"
    "  pomona run photos.tar results --denoise none --k 0.95\n"
    "  pomona run photos results --model resnet50 --weights resnet50_notop.h5\n"
    "\n"
    "Writes RESULTS/features (Parquet), RESULTS/pca (model, components, projection) and\n"
    "RESULTS/plots (SVG and PNG). Run it again after a crash, or when images were added, replaced\n"
    "or removed: only what changed is computed.";

void PrintFiles(const io::Store& results, Console* console) {
  const auto line = [&](const char* what, const std::string& name, const char* holds) {
    std::string path = results.Describe(name);
    path.resize(std::max(path.size() + 2, results.uri().size() + 27), ' ');
    console->Line(std::string(what) + path + holds);
  };
  console->Line("");
  line("Open first  ", "plots/pca.png", "the images on the first two components, by label");
  line("then        ", "plots/scree.png", "how much of the variance each component explains");
  line("            ", "pca/projection.parquet", "path, label and components of every image");
  line("            ", "features/", "the features, for any Parquet reader");
}

// Of the reduction: --threads, or fewer where --memory does not allow so many. No features are kept
// in memory, where extraction has left some of its own: to read them twice takes 4 % longer.
Result<reduce::ReduceOptions> OptionsFrom(const ExtractFlags& flags, const reduce::Components& k,
                                          int dimension) {
  int threads = flags.threads.threads;
  if (flags.memory > 0) {
    threads = reduce::ThreadsWithin(static_cast<int64_t>(flags.memory), dimension,
                                    flags.part_images, threads);
  }
  if (threads > 0) return reduce::ReduceOptions{k, threads, /*kept_bytes=*/0};
  return UsageError("--memory " + HumanBytes(static_cast<int64_t>(flags.memory)) +
                    " is too little for the principal components of " + WithThousands(dimension) +
                    " numbers: give more, or smaller --part-images");
}

Result<int> Once(RunFlags* flags, const reduce::ReduceOptions& options, ExtractJob* opened,
                 bool first, Context* context) {
  Console& console = context->console;
  Profile* const profile = flags->extract.profile.profile();
  ExtractJob& job = *opened;
  ARROW_ASSIGN_OR_RAISE(const extract::ExtractReport report, RunExtract(&job, profile, context));
  if (!first && !report.changed()) return kExitDone;
  PrintExtract(job, report, &console);
  nlohmann::json extracted = ToJson(job, report);
  // The network's memory is free for the reduction.
  if (!flags->extract.watch.on()) job.runner.reset();

  ARROW_ASSIGN_OR_RAISE(const auto dataset, dataset::Dataset::Open(*job.results));
  ARROW_ASSIGN_OR_RAISE(const reduce::Pca pca, Timed(profile, "reduce", [&] {
                          return reduce::Reduce(dataset, job.results.get(), options,
                                                console.observer(), context->stop);
                        }));
  PrintReduce(pca, &console);
  ARROW_ASSIGN_OR_RAISE(const auto plots, Timed(profile, "plot", [&] {
                          return view::WritePlots(job.results.get());
                        }));
  PrintFiles(*job.results, &console);
  ARROW_RETURN_NOT_OK(flags->extract.profile.Finish(job.options.threads, report.computed,
                                                    job.results.get(), &console));
  extracted["profile"] = flags->extract.profile.ToJson();
  console.Json({{"extract", extracted}, {"reduce", ToJson(pca)}, {"plots", plots}});
  return report.rejected > 0 ? kExitRejected : kExitDone;
}

Result<int> Run(RunFlags* flags, Context* context) {
  ARROW_ASSIGN_OR_RAISE(const auto k, reduce::ParseComponents(flags->components.k));
  ARROW_ASSIGN_OR_RAISE(const model::Card card, model::FindCard(flags->extract.model));
  ARROW_RETURN_NOT_OK(reduce::CheckComponents(k, card.output.dimension));
  ARROW_ASSIGN_OR_RAISE(const auto options, OptionsFrom(flags->extract, k, card.output.dimension));
  ARROW_ASSIGN_OR_RAISE(ExtractJob job, Prepare(flags->extract));
  return WatchSource(flags->extract, &job, context,
                     [&](bool first) { return Once(flags, options, &job, first, context); });
}

}  // namespace

void AddRun(CLI::App* app, Context* context) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command =
      app->add_subcommand("run", "Images in; features, components and pictures out");
  command->footer(kFooter);
  flags->extract.Add(command);
  flags->components.Add(command);
  command->callback([flags, context] {
    context->action = [flags, context] { return Run(flags.get(), context); };
  });
}

}  // namespace pomona::cli
