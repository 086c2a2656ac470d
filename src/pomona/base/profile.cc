#include "pomona/base/profile.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace pomona {
namespace {

int64_t Microseconds(Profile::Clock::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace

void Profile::Add(const char* stage, Kind kind, Clock::time_point start, Clock::time_point end,
                  const std::string& subject) {
  const std::lock_guard lock(mutex_);
  auto found =
      std::find_if(stages_.begin(), stages_.end(), [&](const Stage& s) { return s.name == stage; });
  if (found == stages_.end()) found = stages_.insert(stages_.end(), Stage{stage, 0, 0, 0});
  const double seconds = std::chrono::duration<double>(end - start).count();
  if (kind == Kind::kBusy) {
    ++found->count;
    found->busy += seconds;
  } else {
    found->waiting += seconds;
  }
  if (events_.size() == kMaxEvents) {
    ++dropped_;
    return;
  }
  const int thread =
      threads_.emplace(std::this_thread::get_id(), static_cast<int>(threads_.size()) + 1)
          .first->second;
  events_.push_back({static_cast<size_t>(found - stages_.begin()), kind, thread,
                     Microseconds(start - origin_), Microseconds(end - start), subject});
}

std::vector<Profile::Stage> Profile::Stages() const {
  const std::lock_guard lock(mutex_);
  return stages_;
}

int64_t Profile::dropped_events() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

double Profile::Age() const {
  return std::chrono::duration<double>(Clock::now() - origin_).count();
}

std::string Profile::TraceJson() const {
  const std::lock_guard lock(mutex_);
  nlohmann::json events = nlohmann::json::array();
  for (const Event& event : events_) {
    nlohmann::json j = {{"ph", "X"},
                        {"pid", 1},
                        {"tid", event.thread},
                        {"ts", event.start_us},
                        {"dur", event.duration_us},
                        {"cat", event.kind == Kind::kBusy ? "busy" : "waiting"},
                        {"name", stages_[event.stage].name}};
    if (event.kind == Kind::kWaiting) j["name"] = "waiting: " + stages_[event.stage].name;
    if (!event.subject.empty()) j["args"] = {{"image", event.subject}};
    events.push_back(std::move(j));
  }
  return nlohmann::json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump();
}

}  // namespace pomona
