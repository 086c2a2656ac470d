// One file a command: parse, call one room, print.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "pomona/base/status.h"
#include "pomona/cli/console.h"

namespace pomona::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNothingToRead = 3;
inline constexpr int kExitRejected = 4;  // done, but images were rejected
inline constexpr int kExitInterrupted = 130;

int ExitCode(const Status& status);

struct Context {
  Context() = default;
  explicit Context(Observer caller) : console(std::move(caller)) {}

  Console console;
  std::stop_token stop;
  // Set by the command that was asked for; gives the exit code.
  std::function<Result<int>()> action;
};

// Each adds its subcommand to `app` and, when that is given, sets context->action.
void AddRun(CLI::App* app, Context* context);
void AddExtract(CLI::App* app, Context* context);
void AddReduce(CLI::App* app, Context* context);
void AddPlot(CLI::App* app, Context* context);
void AddVerify(CLI::App* app, Context* context);
void AddGc(CLI::App* app, Context* context);
void AddModels(CLI::App* app, Context* context);
void AddDoctor(CLI::App* app, Context* context);
void AddCompletions(CLI::App* app, Context* context);

// The whole program: parses, runs, reports. Gives the exit code.
int Main(int argc, const char* const* argv);

// Parses a whole command line, the command first. UsageError that says in one sentence what is
// wrong, and where to read more.
Status ParseArgs(CLI::App* app, std::vector<std::string> args);

struct Answer {
  int exit_code = kExitDone;
  nlohmann::json result;  // what the command prints with --json
};

// A command inside another program: {"reduce", "results", "--k", "6"}. Leaves the process's signals
// and streams alone. A wrong command line is a UsageError.
Result<Answer> Call(const std::vector<std::string>& args, const Observer& observer,
                    std::stop_token stop);

}  // namespace pomona::cli
