#include "pomona/base/profile.h"

#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace pomona {
namespace {

using std::chrono::milliseconds;

TEST(ProfileTest, SumsWorkAndWaitingByStage) {
  Profile profile;
  const auto t = Profile::Clock::now();
  profile.Add("read", Profile::Kind::kBusy, t, t + milliseconds(20), "a");
  profile.Add("decode", Profile::Kind::kBusy, t, t + milliseconds(5), "a");
  profile.Add("read", Profile::Kind::kBusy, t, t + milliseconds(30), "b");
  profile.Add("read", Profile::Kind::kWaiting, t, t + milliseconds(7), "b");
  const auto stages = profile.Stages();
  ASSERT_EQ(stages.size(), 2);
  EXPECT_EQ(stages[0].name, "read");
  EXPECT_EQ(stages[0].count, 2);
  EXPECT_NEAR(stages[0].busy, 0.050, 1e-9);
  EXPECT_NEAR(stages[0].waiting, 0.007, 1e-9);
  EXPECT_EQ(stages[1].name, "decode");
}

TEST(ProfileTest, TheTraceHasEverySpanWithItsThread) {
  Profile profile;
  const auto t = Profile::Clock::now();
  profile.Add("read", Profile::Kind::kBusy, t, t + milliseconds(20), "pear/1.jpg");
  std::thread([&] {
    profile.Add("write", Profile::Kind::kWaiting, t, t + milliseconds(3), "");
  }).join();
  const auto events = nlohmann::json::parse(profile.TraceJson()).at("traceEvents");
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0]["ph"], "X");
  EXPECT_EQ(events[0]["dur"], 20'000);
  EXPECT_EQ(events[0]["args"]["image"], "pear/1.jpg");
  EXPECT_EQ(events[1]["name"], "waiting: write");
  EXPECT_NE(events[0]["tid"], events[1]["tid"]);
}

TEST(ProfileTest, MemoryIsBoundedAndTheSumsStayWhole) {
  Profile profile;
  const auto t = Profile::Clock::now();
  const auto spans = static_cast<int64_t>(Profile::kMaxEvents) + 10;
  for (int64_t i = 0; i < spans; ++i) {
    profile.Add("read", Profile::Kind::kBusy, t, t + milliseconds(1), "");
  }
  EXPECT_EQ(profile.Stages()[0].count, spans);
  EXPECT_EQ(profile.dropped_events(), 10);
  EXPECT_EQ(nlohmann::json::parse(profile.TraceJson()).at("traceEvents").size(),
            Profile::kMaxEvents);
}

TEST(SpanTest, MeasuresItsOwnLife) {
  Profile profile;
  { const Span span(&profile, "decode", "x"); }
  { const Span nobody_looks(nullptr, "decode"); }
  ASSERT_EQ(profile.Stages().size(), 1);
  EXPECT_EQ(profile.Stages()[0].count, 1);
  EXPECT_GE(profile.Stages()[0].busy, 0);
}

}  // namespace
}  // namespace pomona
