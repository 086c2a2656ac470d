#include "pomona/cli/console.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "pomona/base/text.h"

namespace pomona::cli {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kBarWidth = 24;

bool StderrIsTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string(term) != "dumb";
}

std::string Bar(double fraction) {
  const int full = static_cast<int>(fraction * kBarWidth);
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += i < full ? "█" : "░";
  return bar;
}

// "features 1,234/20,622 · 52 images/s · 6 min 12 s left · 3 rejected"
std::string Describe(const Progress& p, double rate) {
  std::string text = p.stage + " " + WithThousands(p.done);
  if (p.total > 0) text += "/" + WithThousands(p.total);
  if (rate > 0) {
    text += " · " +
            (rate < 10 ? std::to_string(rate).substr(0, 3)
                       : WithThousands(static_cast<int64_t>(rate + 0.5))) +
            " images/s";
    if (p.total > p.done) {
      text += " · " + HumanDuration(static_cast<double>(p.total - p.done) / rate) + " left";
    }
  }
  if (p.rejected > 0) text += " · " + WithThousands(p.rejected) + " rejected";
  return text;
}

}  // namespace

Observer Console::observer() {
  if (caller_) return *caller_;
  return {[this](const Progress& p) { ShowProgress(p); },
          [this](const std::string& message) { ShowWarning(message); }};
}

void Console::ShowProgress(const Progress& progress) {
  if (quiet) return;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (progress.stage != stage_) {
    stage_ = progress.stage;
    stage_start_ = now;
    stage_first_done_ = progress.done;
    last_shown_ = now - milliseconds(80);  // on a terminal a new stage shows soon
    if (!StderrIsTerminal()) last_shown_ = now;
  }
  const bool terminal = StderrIsTerminal();
  if (now - last_shown_ < (terminal ? milliseconds(100) : milliseconds(seconds(10)))) return;
  last_shown_ = now;
  const double elapsed = duration<double>(now - stage_start_).count();
  const auto done = static_cast<double>(progress.done - stage_first_done_);
  const std::string text = Describe(progress, elapsed > 0.5 ? done / elapsed : 0);
  if (!terminal) {
    std::cerr << text << std::endl;
    return;
  }
  const double fraction =
      progress.total > 0 ? static_cast<double>(progress.done) / static_cast<double>(progress.total)
                         : 0;
  std::cerr << "\r\x1b[K" << Bar(fraction) << " " << text << std::flush;
  bar_on_screen_ = true;
}

void Console::EndProgress() {
  const std::lock_guard lock(mutex_);
  if (bar_on_screen_) std::cerr << "\r\x1b[K" << std::flush;
  bar_on_screen_ = false;
}

void Console::ShowWarning(const std::string& message) {
  EndProgress();
  const std::lock_guard lock(mutex_);
  std::cerr << Paint("33", "warning:") << " " << message << std::endl;
}

void Console::Line(const std::string& text) {
  EndProgress();
  if (!json && !caller_) std::cout << text << "\n";
}

void Console::Json(const nlohmann::json& result) {
  EndProgress();
  if (caller_) {
    answer_ = result;
  } else if (json) {
    std::cout << result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  }
}

void Console::Error(const Status& status, int exit_code) {
  EndProgress();
  const std::string message = ToUtf8(status.message());
  std::cerr << Paint("31", "error:") << " " << message << std::endl;
  Json({{"error", message}, {"exit_code", exit_code}});
}

void Console::Flush() { std::cout.flush(); }

std::string Console::Paint(const char* code, const std::string& text) const {
  const bool plain = no_color || std::getenv("NO_COLOR") != nullptr || !StderrIsTerminal();
  return plain ? text : "\x1b[" + std::string(code) + "m" + text + "\x1b[0m";
}

}  // namespace pomona::cli
