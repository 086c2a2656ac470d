#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>

#include "pomona/base/text.h"
#include "pomona/base/version.h"
#include "pomona/cli/command.h"
#include "pomona/cli/signals.h"
#include "pomona/reduce/blas.h"

namespace pomona::cli {
namespace {

constexpr char kDescription[] =
    "Pomona turns images into feature vectors, principal components and pictures.";

constexpr char kFooter[] =
    "Examples:\n"
    "  pomona run photos results                 everything: features, components, pictures\n"
    "  pomona run photos.tar results --k 0.95    from a tar; components for 95 % of the variance\n"
    "  pomona extract photos results --model resnet50 --weights resnet50.h5\n"
    "  pomona reduce results --k 20              other components; no image is read again\n"
    "  pomona verify results                     re-read and check everything committed\n"
    "\n"
    "Exit codes: 0 done, 1 failure, 2 wrong usage, 3 nothing to read,\n"
    "            4 done but images were rejected, 130 interrupted (the same command continues)\n"
    "Environment: NO_COLOR, POMONA_MODELS (folder of model cards), XDG_CACHE_HOME (weights)\n"
    "`pomona COMMAND --help` tells more.";

void AddGlobalFlags(CLI::App* app, Console* console) {
  app->add_flag("--json", console->json, "Print the result as JSON on stdout");
  app->add_flag("-q,--quiet", console->quiet, "No progress on stderr");
  app->add_flag("--no-color", console->no_color, "No colour on stderr");
  app->set_version_flag("--version", std::string("pomona ") + kVersion);
}

std::unique_ptr<CLI::App> MakeApp(Context* context) {
  auto app = std::make_unique<CLI::App>(kDescription, "pomona");
  app->footer(kFooter);
  app->require_subcommand(1);
  app->fallthrough();
  app->get_formatter()->column_width(34);
  AddGlobalFlags(app.get(), &context->console);
  AddRun(app.get(), context);
  AddExtract(app.get(), context);
  AddReduce(app.get(), context);
  AddPlot(app.get(), context);
  AddVerify(app.get(), context);
  AddGc(app.get(), context);
  AddModels(app.get(), context);
  AddDoctor(app.get(), context);
  AddCompletions(app.get(), context);
  return app;
}

// What is wrong with a command line, in one sentence.
std::string Describe(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const auto unknown = app.remaining();
  if (chosen.empty() && !unknown.empty()) {
    return Quoted(unknown[0]) + " is not a command (see `pomona --help`)";
  }
  const std::string command = chosen.empty() ? "pomona" : "pomona " + chosen[0]->get_name();
  return std::string(error.what()) + " (see `" + command + " --help`)";
}

int ReportParseError(const CLI::App& app, const CLI::ParseError& error, Console* console) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  console->Error(UsageError(Describe(app, error)), kExitUsage);
  return kExitUsage;
}

Result<int> RunAction(const Context& context) try {
  return context.action();
} catch (const std::bad_alloc&) {
  return Status::OutOfMemory(
      "out of memory: give fewer --threads, or use a machine with more memory; what is finished "
      "is kept");
} catch (const std::exception& e) {
  return Status::UnknownError("unexpected: ", e.what(), "; please report this");
}

// A descriptor that the caller closed would be given to the next file that is opened, and what is
// printed would end up in it.
void OpenStandardStreams() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

// A result that did not get anywhere is a failure, unless its reader wanted no more of it.
Status FlushOutput() {
  errno = 0;
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || errno == EPIPE) return Status::OK();
  return Status::IOError("cannot write to stdout", errno == 0 ? "" : ": ",
                         errno == 0 ? "" : std::strerror(errno));
}

}  // namespace

Status ParseArgs(CLI::App* app, std::vector<std::string> args) {
  try {
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app->parse(std::move(args));
  } catch (const CLI::ParseError& error) {
    return UsageError(Describe(*app, error));
  }
  return Status::OK();
}

Result<Answer> Call(const std::vector<std::string>& args, const Observer& observer,
                    std::stop_token stop) {
  Context context(observer);
  context.stop = std::move(stop);
  const auto app = MakeApp(&context);
  ARROW_RETURN_NOT_OK(ParseArgs(app.get(), args));
  ARROW_ASSIGN_OR_RAISE(const int exit_code, RunAction(context));
  return Answer{exit_code, context.console.answer()};
}

int ExitCode(const Status& status) {
  if (status.ok()) return kExitDone;
  if (status.IsCancelled()) return kExitInterrupted;
  if (IsUsageError(status)) return kExitUsage;
  if (IsNothingToRead(status)) return kExitNothingToRead;
  return kExitFailure;
}

int Main(int argc, const char* const* argv) {
  OpenStandardStreams();
  Context context;
  context.stop = HandleSignals();
  reduce::EndIdleBlasThreads();
  const auto app = MakeApp(&context);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParseError(*app, error, &context.console);
  }
  Result<int> exit_code = RunAction(context);
  const Status flushed = FlushOutput();
  if (exit_code.ok() && !flushed.ok()) exit_code = flushed;
  if (exit_code.ok()) return *exit_code;
  const int code = ExitCode(exit_code.status());
  context.console.Error(exit_code.status(), code);
  return code;
}

}  // namespace pomona::cli
