#include <memory>

#include "pomona/cli/flags.h"
#include "pomona/cli/report.h"
#include "pomona/dataset/dataset.h"
#include "pomona/reduce/reduce.h"

namespace pomona::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  pomona reduce results\n"
    "  pomona reduce results --k 0.95      as many components as 95 % of the variance needs\n"
    "\n"
    "Standardises every number of the features (mean 0, deviation 1), finds the principal\n"
    "components exactly, and writes RESULTS/pca: model.json (scaler, whole spectrum),\n"
    "components.parquet and projection.parquet (path, label, pc1 ...). No image is read.";

Result<int> Run(const ReduceFlags& flags, Context* context) {
  Console& console = context->console;
  ARROW_ASSIGN_OR_RAISE(const auto k, reduce::ParseComponents(flags.components.k));
  ARROW_ASSIGN_OR_RAISE(const auto results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_ASSIGN_OR_RAISE(const auto dataset, dataset::Dataset::Open(*results));
  ARROW_ASSIGN_OR_RAISE(const reduce::Pca pca,
                        reduce::Reduce(dataset, results.get(), {k, flags.threads.threads},
                                       console.observer(), context->stop));
  PrintReduce(pca, &console);
  console.Line("  in " + results->Describe("pca") + "; next: pomona plot RESULTS");
  console.Json(ToJson(pca));
  return kExitDone;
}

}  // namespace

void AddReduce(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ReduceFlags>();
  CLI::App* command = app->add_subcommand("reduce", "Features in; principal components out");
  command->footer(kFooter);
  flags->Add(command);
  command->callback(
      [flags, context] { context->action = [flags, context] { return Run(*flags, context); }; });
}

}  // namespace pomona::cli
