#include "pomona/image/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "pomona/image/testing.h"

namespace pomona::image {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<fs::path> Files(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry :
       fs::recursive_directory_iterator(std::string(POMONA_SOURCE_DIR) + "/" + folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<uint8_t> Sample() {
  return ReadBytes(std::string(POMONA_SOURCE_DIR) + "/samples/fruits/Lemon/0_100.jpg");
}

__attribute__((no_sanitize("undefined"))) void WriteToNull() {
  volatile int* volatile null = nullptr;
  *null = 1;
}

// A decoder with a door for every way out, which the bytes name.
Outcome<Image> Misbehave(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                         JpegPolicy policy) {
  const std::string word(bytes.begin(), bytes.end());
  if (word == "null") WriteToNull();
  if (word == "abort") std::abort();
  if (word == "loop") {
    std::atomic<int> i = 0;
    while (true) ++i;
  }
  if (word == "sleep") pause();
  if (word == "exit") _exit(3);
  if (word == "throw") throw 1;
  if (word == "allocate") {
    std::vector<std::vector<uint8_t>> all;
    while (true) all.emplace_back(1 << 20, uint8_t{1});
  }
  if (word == "damage the heap") {
    void* volatile block = std::malloc(64);
    std::free(block);
    std::free(block);
  }
  if (word == "open") open("/etc/passwd", O_RDONLY);
  if (word == "socket") socket(AF_INET, SOCK_STREAM, 0);
  if (word == "execve") execl("/bin/true", "true", nullptr);
  if (word == "fork") fork();
  if (word == "thread") std::thread([] {}).join();
  if (word == "kill") kill(getppid(), SIGKILL);
  if (word == "ptrace") prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (word == "write to stdout") (void)!write(STDOUT_FILENO, "x", 1);
  if (word == "nonsense") {
    const std::string junk(4096, '\xff');
    (void)!write(3, junk.data(), junk.size());
  }
  if (word == "half an image") return Image{1 << 10, 1 << 10, {1, 2, 3}};
  if (word == "huge image") return Image{1 << 20, 1 << 20, {1, 2, 3}};
  if (word == "long text") return Rejection{Reason::kCorrupt, std::string(1 << 20, 'x'), {}};
  return Decode(bytes, limits, policy);
}

SandboxOptions Misbehaving() {
  return {.limits = {.max_pixels = 1'000'000, .max_bytes = 1'000'000},
          .cpu_limit = 1s,
          .decode = &Misbehave};
}

std::unique_ptr<Sandbox> Start(const SandboxOptions& options) {
  auto sandbox = Sandbox::Start(options);
  EXPECT_TRUE(sandbox.ok()) << sandbox.status();
  return sandbox.ok() ? *std::move(sandbox) : nullptr;
}

// Processes of which `parent` is the parent, but for those that are dead and not yet waited for.
std::vector<pid_t> Children(pid_t parent) {
  std::vector<pid_t> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "stat");
    std::string text;
    if (!std::getline(in, text)) continue;
    char state = 0;
    pid_t its_parent = 0;
    const char* after_name = text.c_str() + text.rfind(')') + 1;
    if (std::sscanf(after_name, " %c %d", &state, &its_parent) != 2) continue;
    if (its_parent == parent && state != 'Z') {
      out.push_back(std::stoi(entry.path().filename().string()));
    }
  }
  return out;
}

// The zygote of the only sandbox of `program`, and its workers.
pid_t ZygoteOf(pid_t program) {
  const std::vector<pid_t> children = Children(program);
  EXPECT_EQ(children.size(), 1);
  return children.empty() ? -1 : children[0];
}
std::vector<pid_t> Workers() { return Children(ZygoteOf(getpid())); }

bool IsGone(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  return !std::getline(in, text) || text[text.rfind(')') + 2] == 'Z';
}

void WaitFor(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(1ms);
}

void ExpectSame(const Outcome<Image>& a, const Outcome<Image>& b, const std::string& what) {
  ASSERT_EQ(a.ok(), b.ok()) << what;
  if (!a.ok()) {
    EXPECT_EQ(a.rejection(), b.rejection()) << what;
    return;
  }
  EXPECT_EQ(a.value().width, b.value().width) << what;
  EXPECT_EQ(a.value().height, b.value().height) << what;
  EXPECT_EQ(a.value().rgb, b.value().rgb) << what;
  EXPECT_EQ(a.value().damage, b.value().damage) << what;
}

void ExpectDecodes(Sandbox* sandbox, const std::string& after) {
  const auto decoded = sandbox->Decode(Sample(), {});
  ASSERT_TRUE(decoded.ok()) << after << ": " << decoded.status();
  ExpectSame(*decoded, Decode(Sample(), {}), "after " + after);
}

TEST(Sandbox, GivesWhatDecodeGives) {
  const auto sandbox = Start({});
  ASSERT_NE(sandbox, nullptr);
  std::vector<fs::path> files = Files("tests/images");
  const std::vector<fs::path> samples = Files("samples/fruits");
  files.insert(files.end(), samples.begin(), samples.end());
  ASSERT_GT(files.size(), 90);
  for (const fs::path& file : files) {
    const auto bytes = ReadBytes(file.string());
    for (const JpegPolicy policy : {JpegPolicy::kStrict, JpegPolicy::kWarn, JpegPolicy::kLenient}) {
      const auto decoded = sandbox->Decode(bytes, {}, policy);
      ASSERT_TRUE(decoded.ok()) << file << ": " << decoded.status();
      ExpectSame(*decoded, Decode(bytes, {}, policy), file.string());
    }
  }
  EXPECT_EQ(Workers().size(), 1) << "one worker, never ended";
  const DecodeLimits small = {.max_pixels = 100, .max_bytes = 10'000};
  ExpectSame(*sandbox->Decode(Sample(), small), Decode(Sample(), small), "pixels");
  const std::vector<uint8_t> large(10'001);
  ExpectSame(*sandbox->Decode(large, small), Decode(large, small), "bytes");
}

// Half of the largest image that is allowed by default, which is the most that some codecs take.
TEST(Sandbox, HasMemoryForWhatTheLimitsAllow) {
  const auto sandbox = Start({.limits = {.max_pixels = 4'000'000, .max_bytes = 20'000'000}});
  std::vector<uint8_t> jpeg = ReadBytes(std::string(POMONA_SOURCE_DIR) + "/tests/images/grey.jpg");
  const std::array<uint8_t, 2> sof = {0xff, 0xc0};
  const auto frame = std::ranges::search(jpeg, sof).begin();
  frame[5] = frame[7] = 0x07;  // 1,808 x 1,816 or so
  const auto decoded = sandbox->Decode(jpeg, {.max_pixels = 4'000'000}, JpegPolicy::kLenient);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_TRUE(decoded->ok()) << decoded->rejection().detail;
  EXPECT_GT(decoded->value().rgb.size(), 9'000'000);
  ExpectSame(*decoded, Decode(jpeg, {}, JpegPolicy::kLenient), "large");
}

TEST(Sandbox, ACrashRejectsOneImage) {
  struct Case {
    const char* word;
    const char* detail;
  };
  constexpr char kForbidden[] = "(SIGSYS)";
  const auto sandbox = Start(Misbehaving());
  ASSERT_NE(sandbox, nullptr);
  for (const auto& [word, detail] : std::initializer_list<Case>{
           {"null", "crashed (SIGSEGV)"},
           {"abort", "crashed (SIGABRT)"},
           {"throw", "crashed (SIGABRT)"},
           {"damage the heap", "crashed (SIGABRT)"},
           {"exit", "exit code 3"},
           {"loop", "took more than 1.0 s"},
           {"sleep", kForbidden},
           {"allocate", "took more than 282.4 MB of memory"},
           {"open", kForbidden},
           {"socket", kForbidden},
           {"execve", kForbidden},
           {"fork", kForbidden},
           {"thread", kForbidden},
           {"kill", kForbidden},
           {"ptrace", kForbidden},
           {"write to stdout", kForbidden},
           {"nonsense", "an answer that cannot be one"},
           {"huge image", "an answer that cannot be one"},
           {"long text", "an answer that cannot be one"},
       }) {
    const auto outcome = sandbox->Decode(Bytes(word), {});
    ASSERT_TRUE(outcome.ok()) << word << ": " << outcome.status();
    ASSERT_FALSE(outcome->ok()) << word;
    EXPECT_EQ(outcome->rejection().reason, Reason::kDecoderCrashed) << word;
    if (!kSanitized) {
      EXPECT_NE(outcome->rejection().detail.find(detail), std::string::npos)
          << word << ": " << outcome->rejection().detail;
    }
    ExpectDecodes(sandbox.get(), word);
  }
  EXPECT_EQ(Workers().size(), 1);
}

// malloc works otherwise in a process that ever had threads, and in one of them.
TEST(Sandbox, MemoryRunsOutInAWorkerOfAProgramWithThreads) {
  std::jthread([] {
    const std::vector<std::string> in_an_arena_of_its_own(1000, std::string(100, 'x'));
    const auto sandbox = Start(Misbehaving());
    ASSERT_NE(sandbox, nullptr);
    const auto outcome = sandbox->Decode(Bytes("allocate"), {});
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    ASSERT_FALSE(outcome->ok());
    if (!kSanitized) {
      EXPECT_NE(outcome->rejection().detail.find("of memory"), std::string::npos)
          << outcome->rejection().detail;
    }
    ExpectDecodes(sandbox.get(), "allocate");
  }).join();
}

TEST(Sandbox, AWorkerThatFallsSilentIsEnded) {
  SandboxOptions options = Misbehaving();
  options.cpu_limit = 20ms;
  const auto sandbox = Start(options);
  ASSERT_NE(sandbox, nullptr);
  const auto outcome = sandbox->Decode(Bytes("half an image"), {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_FALSE(outcome->ok());
  EXPECT_EQ(outcome->rejection().reason, Reason::kDecoderCrashed);
  EXPECT_NE(outcome->rejection().detail.find("took more than"), std::string::npos);
}

TEST(Sandbox, SignalsOfATerminalReachTheProgramOnly) {
  const auto sandbox = Start({});
  ASSERT_NE(sandbox, nullptr);
  const auto worker = Workers().at(0);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    kill(ZygoteOf(getpid()), signal);
    kill(worker, signal);
    ExpectDecodes(sandbox.get(), "a signal");
  }
  EXPECT_EQ(Workers(), std::vector<pid_t>{worker});
}

TEST(Sandbox, AnImageWhoseWorkerIsKilledIsTriedAgain) {
  const auto sandbox = Start({});
  ASSERT_NE(sandbox, nullptr);
  const auto worker = Workers().at(0);
  kill(worker, SIGKILL);
  WaitFor([&] { return IsGone(worker); });
  ExpectDecodes(sandbox.get(), "SIGKILL");
  EXPECT_NE(Workers().at(0), worker);
}

// Kills every worker until told to stop.
class Killer {
 public:
  Killer()
      : zygote_(ZygoteOf(getpid())), thread_([this](std::stop_token stop) {
          while (!stop.stop_requested()) {
            for (const pid_t worker : Children(zygote_)) {
              kill(worker, SIGKILL);
              ++killed;
            }
          }
        }) {}
  std::atomic<int> killed = 0;

 private:
  pid_t zygote_;
  std::jthread thread_;
};

TEST(Sandbox, AnImageWhoseWorkersAreAllKilledMayHaveNeededTooMuchMemory) {
  SandboxOptions options = Misbehaving();
  options.cpu_limit = 1h;
  const auto sandbox = Start(options);
  ASSERT_NE(sandbox, nullptr);
  {
    const Killer killer;
    auto outcome = sandbox->Decode(Bytes("loop"), {});
    // A worker may also be killed before it is ready, which is an error of the sandbox.
    while (!outcome.ok()) outcome = sandbox->Decode(Bytes("loop"), {});
    ASSERT_FALSE(outcome->ok());
    EXPECT_EQ(outcome->rejection().reason, Reason::kNoMemory);
    EXPECT_NE(outcome->rejection().detail.find("SIGKILL"), std::string::npos);
    EXPECT_GE(killer.killed, 2);
  }
  ExpectDecodes(sandbox.get(), "many kills");
}

TEST(Sandbox, ManyThreads) {
  const auto sandbox = Start(Misbehaving());
  ASSERT_NE(sandbox, nullptr);
  const std::vector<fs::path> files = Files("samples/fruits");
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = 0; i < files.size(); ++i) {
          const auto bytes = ReadBytes(files[(i * (2 * t + 1) + t) % files.size()].string());
          const auto decoded = sandbox->Decode(bytes, {});
          const bool right = decoded.ok() && decoded->ok() &&
                             decoded->value().rgb == Decode(bytes, {}).value().rgb;
          wrong += right ? 0 : 1;
          if (i % 10 == t) wrong += sandbox->Decode(Bytes("null"), {})->ok() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(Workers().size(), 8);
}

TEST(Sandbox, LeavesNothingBehind) {
  auto sandbox = Start(Misbehaving());
  ASSERT_NE(sandbox, nullptr);
  const pid_t zygote = ZygoteOf(getpid());
  const pid_t worker = Workers().at(0);
  sandbox.reset();
  WaitFor([&] { return IsGone(zygote) && IsGone(worker); });
  EXPECT_TRUE(Children(getpid()).empty());
}

TEST(Sandbox, LeavesNothingBehindWhenTheProgramIsKilled) {
  const pid_t program = fork();
  if (program == 0) {
    SandboxOptions options = Misbehaving();
    options.cpu_limit = 1h;
    const auto sandbox = Start(options);
    (void)sandbox->Decode(Bytes("loop"), {});
    _exit(0);
  }
  WaitFor([&] { return Children(program).size() == 1; });
  const pid_t zygote = ZygoteOf(program);
  WaitFor([&] { return Children(zygote).size() == 1; });
  const pid_t worker = Children(zygote).at(0);
  kill(program, SIGKILL);
  waitpid(program, nullptr, 0);
  WaitFor([&] { return IsGone(zygote) && IsGone(worker); });
}

TEST(Sandbox, SaysThatItIsLost) {
  const auto sandbox = Start({});
  ASSERT_NE(sandbox, nullptr);
  const pid_t worker = Workers().at(0);
  kill(ZygoteOf(getpid()), SIGKILL);
  WaitFor([&] { return IsGone(worker); });
  const auto decoded = sandbox->Decode(Sample(), {});
  ASSERT_FALSE(decoded.ok());
  EXPECT_NE(decoded.status().message().find("was it killed?"), std::string::npos)
      << decoded.status();
}

// In a process for which seccomp does not exist.
Status StartWithoutSeccomp() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                   SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
  if (seccomp_load(filter) != 0) return Status::IOError("no filter");
  return Sandbox::Start({}).status();
}

TEST(Sandbox, IsRefusedWithoutSeccomp) {
  const pid_t program = fork();
  if (program == 0) {
    const Status status = StartWithoutSeccomp();
    const bool clear = status.message().find("--sandbox needs seccomp") != std::string::npos;
    _exit(status.IsNotImplemented() && clear ? 0 : 1);
  }
  int state = 0;
  waitpid(program, &state, 0);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0);
}

TEST(Sandbox, SaysWhatAWorkerTakes) {
  const auto sandbox = Sandbox::Start({}).ValueOrDie();
  const int64_t idle = sandbox->IdleBytes().ValueOrDie();
  EXPECT_GT(idle, 100'000);
  EXPECT_TRUE(kSanitized || idle < 64'000'000) << idle;
  EXPECT_TRUE(sandbox->Decode(Sample(), {})->ok());  // the worker is there again
}

}  // namespace
}  // namespace pomona::image
