#include "pomona/dataset/verify.h"

#include <memory>

#include "pomona/base/text.h"
#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/dataset/dataset.h"
#include "pomona/io/store.h"
#include "pomona/reduce/reduce.h"

namespace pomona::cli {
namespace {

constexpr char kFooter[] =
    "Example:\n"
    "  pomona verify results\n"
    "\n"
    "Re-reads every committed part and checks hashes, counts, recipe and model of its footer, "
    "that\n"
    "every number is finite, that rejected.parquet is complete, and that pca/ is whole and "
    "belongs\n"
    "to these features. Changes nothing. Exit code 1 if anything is wrong.";

// What is wrong with pca/, if there is one: damaged, or of features that have changed since.
Status CheckPca(const io::Store& results) {
  ARROW_ASSIGN_OR_RAISE(const auto dataset, dataset::Dataset::Open(results));
  const auto pca = reduce::LoadPca(results);
  if (!pca.ok()) return IsNothingToRead(pca.status()) ? Status::OK() : pca.status();
  if (pca->dataset != reduce::DatasetIdentity(dataset.manifest())) {
    return Status::Invalid(results.Describe("pca"),
                           " belongs to features that have changed since: run `pomona reduce`");
  }
  return reduce::LoadProjection(results).status();
}

Result<int> Run(const ResultsFlags& flags, Context* context) {
  Console& console = context->console;
  ARROW_ASSIGN_OR_RAISE(const auto results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_ASSIGN_OR_RAISE(dataset::VerifyReport report,
                        dataset::Verify(*results, console.observer(), context->stop));
  const Status pca = CheckPca(*results);
  if (!pca.ok()) report.problems.push_back(pca.message());
  for (const std::string& problem : report.problems) console.Line("problem: " + problem);
  if (report.problems.empty()) {
    console.Line("all is well: " + Counted(report.rows, "feature") + " and " +
                 Counted(report.rejected, "rejected image") + " in " +
                 Counted(report.parts, "part") + ", " + HumanBytes(report.bytes));
  }
  if (!report.leftovers.empty()) {
    console.Line(Counted(static_cast<int64_t>(report.leftovers.size()), "file") +
                 " of interrupted runs beside them; `pomona gc " + flags.results +
                 "` removes them");
  }
  console.Json({{"ok", report.problems.empty()},
                {"parts", report.parts},
                {"rows", report.rows},
                {"rejected", report.rejected},
                {"bytes", report.bytes},
                {"problems", report.problems},
                {"leftovers", report.leftovers}});
  return report.problems.empty() ? kExitDone : kExitFailure;
}

}  // namespace

void AddVerify(CLI::App* app, Context* context) {
  auto flags = std::make_shared<ResultsFlags>();
  CLI::App* command = app->add_subcommand("verify", "Re-read and check everything committed");
  command->footer(kFooter);
  flags->Add(command, "Results folder");
  command->callback(
      [flags, context] { context->action = [flags, context] { return Run(*flags, context); }; });
}

}  // namespace pomona::cli
