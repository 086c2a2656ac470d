#include "pomona/model/pull.h"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <fcntl.h>

#include "pomona/base/hash.h"
#include "pomona/model/loopback_server.h"
#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

std::string Content() {
  std::string content;
  for (int i = 0; content.size() < 300'000; ++i) content += std::to_string(i * 7919) + "\n";
  return content;
}

std::string HashOf(const std::string& text) {
  return Sha256Hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::string Whole(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

std::string Partial(const std::string& body, size_t from) {
  const std::string rest = body.substr(from);
  return "HTTP/1.1 206 Partial Content\r\nContent-Length: " + std::to_string(rest.size()) +
         "\r\nContent-Range: bytes " + std::to_string(from) + "-" +
         std::to_string(body.size() - 1) + "/" + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + rest;
}

std::string Code(const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry";
}

// The first byte a request asks for, 0 if it asks for all.
size_t RangeOf(const std::string& request) {
  const size_t at = request.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::stoul(request.substr(at + 13));
}

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    card_.id = "remote";
    card_.path = "remote.json";
    card_.weights.url = "https://example.invalid/weights";
    card_.weights.file = "remote.bin";
    card_.weights.sha256 = HashOf(content_);
    options_.cache = cache_.path() / "deep/models";
    options_.stall_timeout = std::chrono::seconds(1);
    options_.backoff = std::chrono::milliseconds(1);
    options_.attempts = 3;
    observer_.warning = [this](const std::string& text) { warnings_.push_back(text); };
    observer_.progress = [this](const Progress& p) { progress_ = p; };
  }

  Status PullFrom(const LoopbackServer& server, std::stop_token stop = {}) {
    options_.url = server.url();
    return Pull(card_, options_, observer_, stop);
  }

  fs::path Target() const { return options_.cache / "remote.bin"; }
  fs::path Part() const { return options_.cache / "remote.bin.part"; }
  fs::path Pin() const { return options_.cache / "remote.bin.sha256"; }

  void WritePart(const std::string& bytes) const {
    fs::create_directories(options_.cache);
    std::ofstream(Part(), std::ios::binary) << bytes;
  }

  void ExpectWhole() const {
    EXPECT_EQ(ReadAll(Target()), content_);
    EXPECT_FALSE(fs::exists(Part()));
    EXPECT_EQ(ReadAll(Pin()), HashOf(content_) + "  remote.bin\n");
  }

  void ExpectNothing() const { EXPECT_FALSE(fs::exists(Target()) || fs::exists(Pin())); }

  const ScopedEnv no_proxy_{"no_proxy", "127.0.0.1"};
  const TempFolder cache_;
  const std::string content_ = Content();
  Card card_;
  PullOptions options_;
  Observer observer_;
  std::vector<std::string> warnings_;
  Progress progress_;
};

TEST_F(PullTest, DownloadsChecksNamesAndPins) {
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
  EXPECT_EQ(progress_.stage, "downloading");
  EXPECT_EQ(progress_.done, static_cast<int64_t>(content_.size()));
  EXPECT_EQ(progress_.total, static_cast<int64_t>(content_.size()));
  ASSERT_OK(PullFrom(server));  // there already: no request
  EXPECT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests()[0], Not(HasSubstr("Range")));
}

TEST_F(PullTest, ContinuesWhatAnEarlierDownloadLeft) {
  WritePart(content_.substr(0, 100'000));
  const LoopbackServer server([&](auto& request, int) {
    return LoopbackServer::Reply{Partial(content_, RangeOf(request))};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests()[0], HasSubstr("Range: bytes=100000-"));
}

TEST_F(PullTest, ATruncatedAnswerIsContinued) {
  const LoopbackServer server([&](auto& request, int index) {
    if (index == 0) return LoopbackServer::Reply{Whole(content_).substr(0, 50'000)};
    return LoopbackServer::Reply{Partial(content_, RangeOf(request))};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
  EXPECT_THAT(warnings_, SizeIs(1));
  EXPECT_GT(RangeOf(server.requests()[1]), 0U);
}

TEST_F(PullTest, AStallIsLeftAndContinued) {
  const LoopbackServer server([&](auto& request, int index) {
    if (index == 0) return LoopbackServer::Reply{Whole(content_).substr(0, 2'000), true};
    return LoopbackServer::Reply{Partial(content_, RangeOf(request))};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, AServerThatNeverAnswersIsGivenUp) {
  options_.attempts = 2;
  const LoopbackServer server([](auto&, int) { return LoopbackServer::Reply{"", true}; });
  const Status status = PullFrom(server);
  EXPECT_THAT(status.message(), HasSubstr("cannot download " + server.url() + " (attempt 2)"));
  EXPECT_THAT(server.requests(), SizeIs(2));
  ExpectNothing();
}

TEST_F(PullTest, AServerWithoutRangesStartsOver) {
  WritePart(content_.substr(0, 100'000));
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, ARangeThatWasNotAskedForIsNotAppended) {
  WritePart(content_.substr(0, 100'000));
  const LoopbackServer server([&](auto& request, int) {
    if (RangeOf(request) > 0) return LoopbackServer::Reply{Partial(content_, 7)};
    return LoopbackServer::Reply{Whole(content_)};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, LeftoversOfAnotherFileAreReplaced) {
  WritePart(std::string(100'000, 'x'));
  const LoopbackServer server([&](auto& request, int) {
    const size_t from = RangeOf(request);
    return LoopbackServer::Reply{from > 0 ? Partial(content_, from) : Whole(content_)};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, LeftoversLongerThanTheFileAreReplaced) {
  WritePart(content_ + "more");
  const LoopbackServer server([&](auto& request, int) {
    return LoopbackServer::Reply{RangeOf(request) > 0 ? Code("416 Range Not Satisfiable")
                                                      : Whole(content_)};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, LeftoversThatAreWholeNeedNoRequest) {
  WritePart(content_);
  const LoopbackServer server([](auto&, int) { return LoopbackServer::Reply{}; });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(PullTest, AWrongFileIsRemovedAndBothHashesAreSaid) {
  const std::string other = content_ + "!";
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(other)}; });
  const Status status = PullFrom(server);
  EXPECT_THAT(status.message(), HasSubstr(HashOf(other)));
  EXPECT_THAT(status.message(), HasSubstr(HashOf(content_)));
  EXPECT_FALSE(fs::exists(Part()));
  ExpectNothing();
}

TEST_F(PullTest, ALengthThatIsTooSmallIsAWrongFile) {
  const LoopbackServer server([&](auto&, int) {
    return LoopbackServer::Reply{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + content_};
  });
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("is not the file it should be"));
  ExpectNothing();
}

TEST_F(PullTest, ALengthThatIsTooLargeNeverBecomesAFile) {
  const LoopbackServer server([&](auto&, int) {
    return LoopbackServer::Reply{"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + content_};
  });
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("attempt 3"));
  ExpectNothing();
}

TEST_F(PullTest, AnEmptyAnswerNeverBecomesAFile) {
  const LoopbackServer server([](auto&, int) { return LoopbackServer::Reply{Whole("")}; });
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("empty file"));
  ExpectNothing();
}

TEST_F(PullTest, TheChecksumsThatPublishersState) {
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  card_.weights.sha256.clear();
  card_.weights.sha256_prefix = "00000000";
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("starts with 00000000"));
  card_.weights.sha256_prefix = HashOf(content_).substr(0, 8);
  card_.weights.md5 = std::string(32, '0');
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("its MD5 is"));
  ExpectNothing();
  const fs::path copy = cache_.Write("copy", content_);
  ASSERT_OK_AND_ASSIGN(card_.weights.md5, Md5File(copy));
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, APublisherWhoStatesAPrefixIsHeldToTheFirstDownload) {
  card_.weights.sha256.clear();
  card_.weights.md5.clear();
  std::string served = content_;
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(served)}; });
  ASSERT_OK(PullFrom(server));
  fs::remove(Target());
  served += "changed";
  const Status status = PullFrom(server);
  EXPECT_THAT(status.message(), HasSubstr("when first downloaded it was"));
  EXPECT_THAT(status.message(), HasSubstr(HashOf(content_)));
  EXPECT_FALSE(fs::exists(Target()));
}

TEST_F(PullTest, AFileThatRottedIsDownloadedAgain) {
  fs::create_directories(options_.cache);
  std::ofstream(Target()) << "rotten";
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, NotFoundIsFinal) {
  const LoopbackServer server([](auto&, int) { return LoopbackServer::Reply{Code("404 No")}; });
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("HTTP 404"));
  EXPECT_THAT(server.requests(), SizeIs(1));
  ExpectNothing();
}

TEST_F(PullTest, AServerErrorIsTriedAgain) {
  const LoopbackServer server([&](auto&, int index) {
    return LoopbackServer::Reply{index < 2 ? Code("500 Oops") : Whole(content_)};
  });
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("HTTP 500"), HasSubstr("HTTP 500")));
}

TEST_F(PullTest, RedirectsAreFollowedButNotOutOfHttp) {
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  const auto to = [](const std::string& url) {
    return [url](auto&, int) {
      return LoopbackServer::Reply{"HTTP/1.1 302 Found\r\nLocation: " + url +
                                   "\r\nContent-Length: 0\r\n\r\n"};
    };
  };
  const fs::path local = cache_.Write("local", content_);
  const LoopbackServer leading_out(to("file://" + local.string()));
  const Status status = PullFrom(leading_out);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("rotocol"));
  EXPECT_THAT(leading_out.requests(), SizeIs(1));
  ExpectNothing();
  const LoopbackServer redirecting(to(server.url()));
  ASSERT_OK(PullFrom(redirecting));
  ExpectWhole();
}

TEST_F(PullTest, AStoppedDownloadIsContinuedByTheNext) {
  std::stop_source source;
  observer_.progress = [&](const Progress&) { source.request_stop(); };
  const LoopbackServer server([&](auto& request, int index) {
    if (index == 0) return LoopbackServer::Reply{Whole(content_).substr(0, 50'000), true};
    return LoopbackServer::Reply{Partial(content_, RangeOf(request))};
  });
  options_.stall_timeout = std::chrono::seconds(600);
  const Status status = PullFrom(server, source.get_token());
  EXPECT_TRUE(status.IsCancelled()) << status;
  ExpectNothing();
  EXPECT_GT(fs::file_size(Part()), 0U);
  ASSERT_OK(PullFrom(server));
  ExpectWhole();
}

TEST_F(PullTest, AStopEndsTheWaitBetweenAttempts) {
  options_.backoff = std::chrono::hours(1);
  std::stop_source source;
  observer_.warning = [&](const std::string&) { source.request_stop(); };
  const LoopbackServer server([](auto&, int) { return LoopbackServer::Reply{Code("500 Oops")}; });
  EXPECT_TRUE(PullFrom(server, source.get_token()).IsCancelled());
}

TEST_F(PullTest, AFullDiskIsSaid) {
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small = {65'536, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Status status = PullFrom(server);
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(status.message(), HasSubstr("cannot write " + Part().string() + ": File too large"));
  EXPECT_THAT(server.requests(), SizeIs(1));
  ExpectNothing();
}

TEST_F(PullTest, TwoProcessesDoNotWriteTheSameFile) {
  WritePart("");
  const int other = open(Part().c_str(), O_RDWR);
  ASSERT_EQ(flock(other, LOCK_EX), 0);
  const LoopbackServer server([&](auto&, int) { return LoopbackServer::Reply{Whole(content_)}; });
  EXPECT_THAT(PullFrom(server).message(), HasSubstr("another process"));
  close(other);
  ASSERT_OK(PullFrom(server));
}

TEST_F(PullTest, OtherProtocolsAreRefused) {
  const fs::path local = cache_.Write("local", content_);
  options_.url = "file://" + local.string();
  EXPECT_FALSE(Pull(card_, options_, observer_, {}).ok());
  ExpectNothing();
}

TEST_F(PullTest, CardsWithNothingToPullSaySo) {
  card_.weights.url.clear();
  const Status own = Pull(card_, options_, observer_, {});
  EXPECT_TRUE(IsUsageError(own));
  EXPECT_THAT(own.message(), HasSubstr("names no address"));
  card_.weights.bundled = true;
  const Status bundled = Pull(card_, options_, observer_, {});
  EXPECT_TRUE(IsUsageError(bundled));
  EXPECT_THAT(bundled.message(), HasSubstr("bundled: nothing to pull"));
}

}  // namespace
}  // namespace pomona::model
