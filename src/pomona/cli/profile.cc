#include "pomona/cli/profile.h"

#include <algorithm>
#include <cstdio>

#include "pomona/base/text.h"

namespace pomona::cli {
namespace {

std::string Row(const std::string& stage, double busy, double all, double waiting,
                const std::string& rate) {
  char text[128];
  std::snprintf(text, sizeof(text), "  %-11s %9.2f %7.1f %% %10.2f %14s", stage.c_str(), busy,
                all > 0 ? 100 * busy / all : 0, waiting, rate.c_str());
  return text;
}

// Images a second if a stage were all there is to do, on every thread.
std::string Rate(double busy, int threads, int64_t images) {
  if (busy <= 0 || images == 0) return "";
  return WithThousands(static_cast<int64_t>(static_cast<double>(images) * threads / busy));
}

}  // namespace

void ProfileFlag::Add(CLI::App* command) {
  command->add_flag("--profile", asked_,
                    "Show where the time goes; a trace for Perfetto in RESULTS/profile");
}

Status ProfileFlag::Finish(int threads, int64_t images, io::Store* results, Console* console) {
  if (!asked_) return Status::OK();
  const double seconds = profile_.Age();
  const double all = threads * seconds;
  double busy = 0;
  char head[128];
  std::snprintf(head, sizeof(head), "  %-11s %9s %9s %10s %14s", "stage", "busy s", "share",
                "waiting s", "alone images/s");
  console->Line("Where the time went (" + Counted(threads, "thread") + ", " +
                HumanDuration(seconds) + ", " + Counted(images, "image") + "):");
  console->Line(head);
  for (const Profile::Stage& stage : profile_.Stages()) {
    busy += stage.busy;
    console->Line(
        Row(stage.name, stage.busy, all, stage.waiting, Rate(stage.busy, threads, images)));
  }
  console->Line(Row("(no stage)", std::max(0.0, all - busy), all, 0, ""));
  ARROW_RETURN_NOT_OK(results->Put(kTraceName, profile_.TraceJson()));
  console->Line("  trace: " + results->Describe(kTraceName) +
                " (open it at ui.perfetto.dev or chrome://tracing)");
  if (profile_.dropped_events() > 0) {
    console->Line("  the trace holds the first " +
                  Counted(static_cast<int64_t>(Profile::kMaxEvents), "span") + "; " +
                  WithThousands(profile_.dropped_events()) + " more are only in this table");
  }
  return Status::OK();
}

nlohmann::json ProfileFlag::ToJson() const {
  if (!asked_) return nullptr;
  nlohmann::json rows = nlohmann::json::array();
  for (const Profile::Stage& stage : profile_.Stages()) {
    rows.push_back({{"stage", stage.name},
                    {"count", stage.count},
                    {"busy_seconds", stage.busy},
                    {"waiting_seconds", stage.waiting}});
  }
  return rows;
}

}  // namespace pomona::cli
