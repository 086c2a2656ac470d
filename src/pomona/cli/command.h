// One file a command: parse, call one room, print.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

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

}  // namespace pomona::cli
