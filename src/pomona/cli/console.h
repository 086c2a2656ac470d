// What a person sees: results on stdout (text, or JSON with --json), progress, warnings and errors
// on stderr. Or, of a command that runs inside another program (cli::Call), what that gets.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"

namespace pomona::cli {

class Console {
 public:
  Console() = default;
  // Prints nothing: `caller` gets progress and warnings, answer() is what --json would print.
  explicit Console(Observer caller) : caller_(std::move(caller)) {}

  const nlohmann::json& answer() const { return answer_; }

  bool json = false;      // --json
  bool quiet = false;     // --quiet: no progress
  bool no_color = false;  // --no-color, or NO_COLOR set

  // Progress as a bar on a terminal and as a line every 10 s elsewhere; warnings as lines.
  Observer observer();

  // One line of text for a person; nothing with --json.
  void Line(const std::string& text);
  // The result of a command with --json; nothing otherwise.
  void Json(const nlohmann::json& result);
  void Error(const Status& status, int exit_code);
  // What was printed so far is there for whoever reads it.
  void Flush();

  // Removes a progress bar that is still on the terminal.
  void EndProgress();

 private:
  void ShowProgress(const Progress& progress);
  void ShowWarning(const std::string& message);
  std::string Paint(const char* code, const std::string& text) const;

  using Clock = std::chrono::steady_clock;
  const std::optional<Observer> caller_;
  nlohmann::json answer_;
  std::mutex mutex_;
  std::string stage_;
  Clock::time_point stage_start_;
  Clock::time_point last_shown_;
  int64_t stage_first_done_ = 0;
  bool bar_on_screen_ = false;
};

}  // namespace pomona::cli
