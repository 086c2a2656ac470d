#include "pomona/model/pull.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include <curl/curl.h>

#include "pomona/base/text.h"
#include "pomona/base/threads.h"
#include "pomona/model/checksum.h"
#include "pomona/model/part_file.h"

namespace pomona::model {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{8} << 30;  // no network is larger; a server may send for ever
constexpr long kSlowBytesPerSecond = 1000;       // NOLINT(runtime/int): libcurl's type
constexpr long kMaxRedirects = 5;                // NOLINT(runtime/int)
constexpr long kOk = 200;                        // NOLINT(runtime/int)
constexpr long kPartial = 206;                   // NOLINT(runtime/int)
constexpr long kRangeNotSatisfiable = 416;       // NOLINT(runtime/int)

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

// How an attempt ended: `status` is OK, or why it failed and whether another may succeed.
struct Ending {
  Status status;
  bool retry = false;
};

// "bytes 100-199/200" -> 100, 200 (0 if the whole is given as "*").
struct ContentRange {
  int64_t start = -1;
  int64_t total = 0;
};
ContentRange ParseContentRange(std::string_view text) {
  ContentRange range;
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return range;
  text.remove_prefix(kUnit.size());
  std::from_chars(text.data(), text.data() + text.size(), range.start);
  const size_t slash = std::min(text.find('/'), text.size() - 1);
  std::from_chars(text.data() + slash + 1, text.data() + text.size(), range.total);
  return range;
}

// One request, writing to the end of `part`.
class Attempt {
 public:
  Attempt(std::string url, const PullOptions& options, PartFile* part, const Observer& observer,
          std::stop_token stop)
      : url_(std::move(url)),
        options_(options),
        part_(part),
        observer_(observer),
        stop_(std::move(stop)),
        curl_(curl_easy_init(), &curl_easy_cleanup) {}

  Ending Run() {
    if (curl_ == nullptr) return {Status::OutOfMemory("libcurl"), false};
    resumed_from_ = part_->size();
    Configure();
    return Judge(curl_easy_perform(curl_.get()));
  }

 private:
  void Configure() {
    CURL* curl = curl_.get();
    const char* const also_redirects = url_.starts_with("https:") ? "https" : "http,https";
    curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, also_redirects);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pomona");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, Seconds(options_.connect_timeout));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kSlowBytesPerSecond);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, Seconds(options_.stall_timeout));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Attempt::OnData);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Attempt::OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    if (resumed_from_ > 0) {
      range_ = std::to_string(resumed_from_) + "-";
      curl_easy_setopt(curl, CURLOPT_RANGE, range_.c_str());
    }
  }

  static long Seconds(std::chrono::seconds time) {                 // NOLINT(runtime/int)
    return static_cast<long>(std::max<int64_t>(1, time.count()));  // NOLINT(runtime/int)
  }

  static size_t OnData(const char* data, size_t, size_t size, void* self) {
    auto* attempt = static_cast<Attempt*>(self);
    attempt->failure_ = attempt->Write(data, size);
    return attempt->failure_.status.ok() ? size : 0;  // less than `size` ends the transfer
  }

  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto* attempt = static_cast<const Attempt*>(self);
    return attempt->stop_.stop_requested() ? 1 : 0;
  }

  Ending Write(const char* data, size_t size) {
    if (!started_) {
      Ending start = Start();
      if (!start.status.ok()) return start;
      started_ = true;
    }
    if (part_->size() + static_cast<int64_t>(size) > kMaxBytes) {
      return {Status::IOError("it is larger than ", HumanBytes(kMaxBytes)), false};
    }
    Status written = part_->Append(data, size);
    observer_.Report({.stage = "downloading", .done = part_->size(), .total = total_});
    return {std::move(written), false};
  }

  // Looks at the answer's head before the first byte of its body is kept.
  Ending Start() {
    const long code = Code();  // NOLINT(runtime/int)
    if (code == kPartial) {
      const ContentRange range = ParseContentRange(Header("Content-Range"));
      total_ = range.total;
      if (range.start == part_->size()) return {};
      return {Restart("the server sent another range than asked for"), true};
    }
    if (code != kOk) return {Status::IOError("HTTP ", code), false};  // Judge says more
    curl_off_t length = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    total_ = std::max<int64_t>(length, 0);
    return {part_->Truncate(), false};  // the server sends all of it, asked for or not
  }

  // Why the next attempt begins at the first byte; or why it cannot.
  Status Restart(const std::string& why) {
    ARROW_RETURN_NOT_OK(part_->Truncate());
    return Status::IOError(why);
  }

  Ending Judge(CURLcode result) {
    const long code = Code();  // NOLINT(runtime/int)
    if (stop_.stop_requested()) {
      return {Interrupted("download of " + url_ + " stopped; the next pull continues it"), false};
    }
    if (code == kRangeNotSatisfiable && resumed_from_ > 0) {
      return {Restart("the server has less than what was downloaded before"), true};
    }
    const bool lost = code >= 300 && code < 400 && result != CURLE_OK;  // a redirect led nowhere
    if (code != 0 && code != kOk && code != kPartial && !lost) return JudgeHttp(code);
    if (!failure_.status.ok()) return failure_;
    if (result != CURLE_OK) return JudgeCurl(result);
    if (!started_) return {Status::IOError("the server sent an empty file"), true};
    return {};
  }

  static Ending JudgeHttp(long code) {                               // NOLINT(runtime/int)
    constexpr long kTimeout = 408, kTooEarly = 425, kTooMany = 429;  // NOLINT(runtime/int)
    const bool passing = code >= 500 || code == kTimeout || code == kTooEarly || code == kTooMany;
    return {Status::IOError("the server answered HTTP ", code), passing};
  }

  Ending JudgeCurl(CURLcode result) const {
    const bool final = result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_URL_MALFORMAT ||
                       result == CURLE_PEER_FAILED_VERIFICATION ||
                       result == CURLE_TOO_MANY_REDIRECTS;
    return {Status::IOError(error_[0] == '\0' ? curl_easy_strerror(result) : error_), !final};
  }

  long Code() const {  // NOLINT(runtime/int)
    long code = 0;     // NOLINT(runtime/int)
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &code);
    return code;
  }

  std::string Header(const char* name) const {
    curl_header* header = nullptr;
    const CURLHcode found = curl_easy_header(curl_.get(), name, 0, CURLH_HEADER, -1, &header);
    return found == CURLHE_OK ? header->value : "";
  }

  const std::string url_;
  const PullOptions& options_;
  PartFile* const part_;
  const Observer& observer_;
  const std::stop_token stop_;
  const Curl curl_;
  std::string range_;
  char error_[CURL_ERROR_SIZE] = {};
  int64_t resumed_from_ = 0;
  int64_t total_ = 0;
  bool started_ = false;
  Ending failure_;
};

class Puller {
 public:
  Puller(const Card& card, const PullOptions& options, const Observer& observer,
         std::stop_token stop)
      : card_(card),
        options_(options),
        observer_(observer),
        stop_(std::move(stop)),
        url_(options.url.empty() ? card.weights.url : options.url),
        target_((options.cache.empty() ? CacheFolder() : options.cache) / card.weights.file) {}

  Status Run() {
    std::error_code error;
    if (fs::exists(target_, error)) {
      if (const auto sha256 = Check(target_); sha256.ok()) return PinWeights(target_, *sha256);
    }
    ARROW_ASSIGN_OR_RAISE(const auto part, PartFile::Open(target_));
    ARROW_ASSIGN_OR_RAISE(const std::string sha256, Fetch(part.get()));
    ARROW_RETURN_NOT_OK(part->Publish());
    return PinWeights(target_, sha256);
  }

 private:
  // Brings `part` to the whole, right file; gives its SHA-256.
  Result<std::string> Fetch(PartFile* part) const {
    Result<std::string> sha256 = Status::Invalid("nothing yet");
    if (part->size() > 0) {
      sha256 = Check(part->path());  // whole already, but for its name
      if (sha256.ok()) return sha256;
      ARROW_RETURN_NOT_OK(Download(part));
      sha256 = Check(part->path());
      if (sha256.ok()) return sha256;
      ARROW_RETURN_NOT_OK(part->Truncate());  // what was there may have been of another file
    }
    ARROW_RETURN_NOT_OK(Download(part));
    sha256 = Check(part->path());
    if (sha256.ok()) return sha256;
    part->Remove();
    return WithContext(sha256.status(), "download of " + url_ + " removed");
  }

  Status Download(PartFile* part) const {
    auto pause = options_.backoff;
    for (int i = 1;; ++i) {
      const Ending ending = Attempt(url_, options_, part, observer_, stop_).Run();
      if (ending.status.ok() || ending.status.IsCancelled()) return ending.status;
      if (!ending.retry || i >= options_.attempts) {
        return WithContext(ending.status,
                           "cannot download " + url_ + " (attempt " + std::to_string(i) + ")");
      }
      observer_.Warn("download of " + url_ + " failed (" + ending.status.message() +
                     "); trying again");
      Sleep(pause, stop_);
      pause *= 2;
    }
  }

  Result<std::string> Check(const fs::path& file) const {
    ARROW_ASSIGN_OR_RAISE(std::string sha256, HashWeights(file));
    ARROW_RETURN_NOT_OK(CheckStated(card_.weights, file, sha256));
    ARROW_RETURN_NOT_OK(CheckPinned(target_, sha256));
    return sha256;
  }

  const Card& card_;
  const PullOptions& options_;
  const Observer& observer_;
  const std::stop_token stop_;
  const std::string url_;
  const fs::path target_;
};

}  // namespace

Status Pull(const Card& card, const PullOptions& options, const Observer& observer,
            std::stop_token stop) {
  if (card.weights.bundled) {
    return UsageError("the weights of model '" + card.id + "' are bundled: nothing to pull");
  }
  if (card.weights.url.empty()) {
    return UsageError("the card of model '" + card.id + "' names no address to pull from: put " +
                      card.weights.file + " beside " + card.path.string());
  }
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return Puller(card, options, observer, std::move(stop)).Run();
}

}  // namespace pomona::model
