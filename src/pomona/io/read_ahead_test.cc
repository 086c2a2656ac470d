#include "pomona/io/read_ahead.h"

#include <atomic>
#include <chrono>
#include <new>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace pomona::io {
namespace {

using Bytes = Outcome<std::vector<uint8_t>>;

// Entries named "0", "1", ...; each read gives its name's bytes after `delay`.
class SlowSource : public Source {
 public:
  explicit SlowSource(bool remote) : remote_(remote) {}

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override { return "none"; }
  Result<Listing> List(const Observer&, std::stop_token) const override { return Listing(); }
  using Source::Read;
  Result<Bytes> Read(const Entry& entry, int64_t, std::stop_token stop) const override {
    ++reads;
    const int now = ++under_way;
    for (int most = most_under_way;
         now > most && !most_under_way.compare_exchange_weak(most, now);) {
    }
    const auto until = std::chrono::steady_clock::now() + delay;
    while (std::chrono::steady_clock::now() < until && !stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    --under_way;
    if (stop.stop_requested()) return Interrupted("stopped");
    if (entry.path == fails) return Status::IOError("no network");
    if (entry.path == too_much) throw std::bad_alloc();
    if (entry.path == missing) return Bytes(Rejection{Reason::kMissing, "gone", {}});
    return Bytes(std::vector<uint8_t>(entry.path.begin(), entry.path.end()));
  }
  bool remote() const override { return remote_; }

  std::chrono::milliseconds delay{1};
  std::string fails, too_much, missing;
  mutable std::atomic<int> reads = 0;
  mutable std::atomic<int> under_way = 0;
  mutable std::atomic<int> most_under_way = 0;

 private:
  const bool remote_;
  const std::string uri_ = "slow";
};

class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    for (int i = 0; i < 500; ++i) {
      Entry entry;
      entry.path = std::to_string(i);
      entry.size = 10;
      entries_.push_back(entry);
    }
    for (const Entry& entry : entries_) pointers_.push_back(&entry);
  }

  static std::string Text(const Result<Bytes>& bytes) {
    if (!bytes.ok()) return bytes.status().message();
    if (!bytes->ok()) return bytes->rejection().detail;
    return {bytes->value().begin(), bytes->value().end()};
  }

  void ExpectHoldsEight(const ReadAheadOptions& options) const {
    const SlowSource source(true);
    ReadAhead ahead(source, pointers_, options, {});
    EXPECT_EQ(Text(ahead.Take(0)), "0");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    // Eight held, one taken.
    EXPECT_LE(source.most_under_way, 9);
    EXPECT_LE(source.reads, 9);
    for (size_t i = 1; i < entries_.size(); ++i) EXPECT_EQ(Text(ahead.Take(i)), entries_[i].path);
  }

  std::vector<Entry> entries_;
  std::vector<const Entry*> pointers_;
};

TEST_F(ReadAheadTest, GivesEveryEntryItsOwnBytes) {
  const SlowSource source(true);
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, {});
  for (size_t i = 0; i < entries_.size(); ++i) EXPECT_EQ(Text(ahead.Take(i)), entries_[i].path);
  EXPECT_EQ(source.reads, 500);
  EXPECT_GT(source.most_under_way, 16);
}

TEST_F(ReadAheadTest, ManyThreadsTakeInAnyOrder) {
  const SlowSource source(true);
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100, .memory_bytes = 40}, {});
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 5; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = entries_.size(); i > 0; --i) {  // backwards: the worst order
          if (i % 5 == t && Text(ahead.Take(i - 1)) != entries_[i - 1].path) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(source.reads, 500);
}

TEST_F(ReadAheadTest, HoldsNoMoreThanItsMemory) {
  ExpectHoldsEight({.max_file_bytes = 100, .memory_bytes = 80});
}

TEST_F(ReadAheadTest, HoldsNoMoreImagesThanItMay) {
  ExpectHoldsEight({.max_file_bytes = 100, .images = 8});
}

TEST_F(ReadAheadTest, ReadsInBursts) {
  const SlowSource source(true);
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100, .images = 8, .threads = 1}, {});
  const auto wait_for_reads = [&](int n) {
    while (source.reads < n) std::this_thread::yield();
  };
  wait_for_reads(8);
  // With the last of a burst, all of it is there.
  for (const size_t i : {7, 0, 1}) EXPECT_EQ(Text(ahead.Take(i)), entries_[i].path);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(source.reads, 8);
  EXPECT_EQ(Text(ahead.Take(2)), "2");
  wait_for_reads(12);
}

TEST_F(ReadAheadTest, ReadsMoreAtATimeWhileTakeWaits) {
  SlowSource source(true);
  source.delay = std::chrono::hours(1);
  std::stop_source stop;
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, stop.get_token());
  constexpr int kFirst = ReadAhead::kFirstThreads;
  while (source.under_way < kFirst) std::this_thread::yield();
  EXPECT_EQ(source.under_way, kFirst);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < 3; ++i) threads.emplace_back([&, i] { (void)ahead.Take(i); });
  while (source.under_way < kFirst + 3) std::this_thread::yield();
  EXPECT_EQ(source.under_way, kFirst + 3);
  stop.request_stop();
}

TEST_F(ReadAheadTest, ReadsWhatIsLargerThanItsMemory) {
  for (Entry& entry : entries_) entry.size = 1000;
  const SlowSource source(true);
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 1000, .memory_bytes = 1}, {});
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(Text(ahead.Take(i)), entries_[i].path);
  EXPECT_LE(source.most_under_way, 2);  // one ahead, and one that Take reads itself
}

TEST_F(ReadAheadTest, RejectionsAndFailuresBelongToTheirEntry) {
  SlowSource source(true);
  source.fails = "3";
  source.missing = "4";
  source.too_much = "5";
  entries_[6].rejected = Rejection{Reason::kNotAFile, "a pipe", {}};
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, {});
  EXPECT_EQ(Text(ahead.Take(2)), "2");
  EXPECT_EQ(Text(ahead.Take(3)), "no network");
  EXPECT_EQ(Text(ahead.Take(4)), "gone");
  EXPECT_EQ(ahead.Take(5)->rejection().reason, Reason::kNoMemory);
  EXPECT_EQ(Text(ahead.Take(6)), "a pipe");
  EXPECT_EQ(Text(ahead.Take(7)), "7");
}

TEST_F(ReadAheadTest, StoppingEndsWaitingAndReading) {
  SlowSource source(true);
  source.delay = std::chrono::hours(1);
  std::stop_source stop;
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, stop.get_token());
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
  });
  EXPECT_TRUE(ahead.Take(0).status().IsCancelled());
  EXPECT_TRUE(ahead.Take(499).status().IsCancelled());
}

TEST_F(ReadAheadTest, LeavingEndsReading) {
  SlowSource source(true);
  source.delay = std::chrono::hours(1);
  { const ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, {}); }
  EXPECT_EQ(source.under_way, 0);
}

TEST_F(ReadAheadTest, LocalSourcesAreReadWhenTaken) {
  const SlowSource source(false);
  ReadAhead ahead(source, pointers_, {.max_file_bytes = 100}, {});
  EXPECT_EQ(source.reads, 0);
  EXPECT_EQ(Text(ahead.Take(7)), "7");
  EXPECT_EQ(source.reads, 1);
}

TEST_F(ReadAheadTest, NothingToReadIsNoTrouble) {
  const SlowSource source(true);
  const ReadAhead ahead(source, {}, {.max_file_bytes = 100}, {});
  EXPECT_EQ(source.reads, 0);
}

}  // namespace
}  // namespace pomona::io
