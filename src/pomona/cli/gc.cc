#include <memory>

#include "pomona/base/text.h"
#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/dataset/garbage.h"
#include "pomona/io/store.h"

namespace pomona::cli {
namespace {

struct GcFlags : ResultsFlags {
  bool dry_run = false;
};

constexpr char kFooter[] =
    "Examples:\n"
    "  pomona gc results --dry-run\n"
    "  pomona gc results\n"
    "\n"
    "Removes what interrupted runs left in RESULTS: unfinished files, and parts that were never\n"
    "committed. A run that was interrupted uses such parts when it is run again, so do that first\n"
    "if you mean to; and not while a run is writing there. Nothing committed is touched.";

Result<int> Run(const GcFlags& flags, Context* context) {
  Console& console = context->console;
  ARROW_ASSIGN_OR_RAISE(const auto results, io::OpenStore(flags.results, flags.bucket.options));
  ARROW_ASSIGN_OR_RAISE(const auto garbage, dataset::FindGarbage(*results));
  for (const std::string& name : garbage) {
    console.Line((flags.dry_run ? "would remove " : "removed ") + results->Describe(name));
    if (!flags.dry_run) ARROW_RETURN_NOT_OK(results->Delete(name));
  }
  if (garbage.empty()) console.Line("nothing to remove");
  console.Json({{flags.dry_run ? "would_remove" : "removed", garbage}});
  return kExitDone;
}

}  // namespace

void AddGc(CLI::App* app, Context* context) {
  auto flags = std::make_shared<GcFlags>();
  CLI::App* command = app->add_subcommand("gc", "Remove what interrupted runs left behind");
  command->footer(kFooter);
  flags->Add(command, "Results folder");
  command->add_flag("--dry-run", flags->dry_run, "Say what would be removed, remove nothing");
  command->callback(
      [flags, context] { context->action = [flags, context] { return Run(*flags, context); }; });
}

}  // namespace pomona::cli
