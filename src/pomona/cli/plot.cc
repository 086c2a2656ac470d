#include <memory>

#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/io/store.h"
#include "pomona/view/plots.h"

namespace pomona::cli {
namespace {

constexpr char kFooter[] =
    "Example:\n"
    "  pomona plot results\n"
    "\n"
    "Writes RESULTS/plots/scree.svg and .png (variance of each component) and "
    "RESULTS/plots/pca.svg\n"
    "and .png (the images on the first two components, by label).";

Result<int> Run(const ResultsFlags& flags, Context* context) {
  ARROW_ASSIGN_OR_RAISE(const auto results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_ASSIGN_OR_RAISE(const auto plots, view::WritePlots(results.get()));
  for (const std::string& name : plots) context->console.Line(results->Describe(name));
  context->console.Json({{"plots", plots}});
  return kExitDone;
}

}  // namespace

void AddPlot(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ResultsFlags>();
  CLI::App* command = app->add_subcommand("plot", "Components in; pictures out");
  command->footer(kFooter);
  flags->Add(command, "Results folder of `pomona reduce`");
  command->callback(
      [flags, context] { context->action = [flags, context] { return Run(*flags, context); }; });
}

}  // namespace pomona::cli
