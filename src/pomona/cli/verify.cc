#include "pomona/dataset/verify.h"

#include <memory>

#include "pomona/base/text.h"
#include "pomona/cli/command.h"
#include "pomona/io/store.h"

namespace pomona::cli {
namespace {

constexpr char kFooter[] =
    "Example:\n"
    "  pomona verify results\n"
    "\n"
    "Re-reads every committed part and checks hashes, counts, recipe and model of its footer, "
    "that\n"
    "every number is finite, and that rejected.parquet is complete. Changes nothing. Exit code 1\n"
    "if anything is wrong.";

Result<int> Run(const std::string& folder, Context* context) {
  Console& console = context->console;
  ARROW_ASSIGN_OR_RAISE(const auto results, io::OpenStore(folder));
  ARROW_ASSIGN_OR_RAISE(const dataset::VerifyReport report,
                        dataset::Verify(*results, console.observer(), context->stop));
  for (const std::string& problem : report.problems) console.Line("problem: " + problem);
  if (report.problems.empty()) {
    console.Line("all is well: " + WithThousands(report.rows) + " features and " +
                 WithThousands(report.rejected) + " rejected images in " +
                 WithThousands(report.parts) + " parts, " + HumanBytes(report.bytes));
  }
  if (!report.leftovers.empty()) {
    console.Line(WithThousands(static_cast<int64_t>(report.leftovers.size())) +
                 " files of interrupted runs beside them; `pomona gc " + folder + "` removes them");
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
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app->add_subcommand("verify", "Re-read and check everything committed");
  command->footer(kFooter);
  command->add_option("RESULTS", *folder, "Results folder")->required();
  command->callback(
      [folder, context] { context->action = [folder, context] { return Run(*folder, context); }; });
}

}  // namespace pomona::cli
