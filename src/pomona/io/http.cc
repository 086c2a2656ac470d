#include "pomona/io/http.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include <curl/curl.h>

#include "pomona/base/environment.h"
#include "pomona/base/version.h"

namespace pomona::io {
namespace {

// NOLINTBEGIN(runtime/int): libcurl's types
constexpr long kConnectSeconds = 10;
constexpr long kStallSeconds = 20;  // without so many bytes a second, the connection is given up
constexpr long kStallBytesPerSecond = 100;
// NOLINTEND(runtime/int)

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList MakeList(const std::vector<std::string>& headers) {
  HeaderList list(curl_slist_append(nullptr, "Expect:"));  // no round trip before a body
  for (const std::string& header : headers) {
    list.reset(curl_slist_append(list.release(), header.c_str()));
  }
  return list;
}

HttpAnswer::Kind KindOf(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return HttpAnswer::Kind::kAnswered;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return HttpAnswer::Kind::kUnreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return HttpAnswer::Kind::kUntrusted;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpAnswer::Kind::kStopped;
    case CURLE_WRITE_ERROR:
      return HttpAnswer::Kind::kTooLong;
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return HttpAnswer::Kind::kImpossible;
    default:
      return HttpAnswer::Kind::kBroken;
  }
}

void InitializeOnce() {
  static const bool done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  (void)done;
}

}  // namespace

std::string UriEncoded(std::string_view text, bool keep_slashes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (letter || digit || std::string_view("-._~").find(c) != std::string_view::npos ||
        (keep_slashes && c == '/')) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string HttpAnswer::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

class HttpClient::Connection {
 public:
  Connection() : curl_(curl_easy_init()) {}
  ~Connection() { curl_easy_cleanup(curl_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  HttpAnswer Send(const HttpRequest& request, const std::string& ca_file, std::stop_token stop) {
    answer_ = HttpAnswer();
    if (curl_ == nullptr) {
      answer_.kind = HttpAnswer::Kind::kImpossible;
      answer_.error = "libcurl does not start";
      return std::move(answer_);
    }
    stop_ = std::move(stop);
    max_bytes_ = request.max_answer_bytes;
    const HeaderList headers = MakeList(request.headers);
    Configure(request, ca_file, headers.get());
    const CURLcode code = curl_easy_perform(curl_);
    answer_.kind = KindOf(code);
    if (code != CURLE_OK) answer_.error = error_[0] != 0 ? error_ : curl_easy_strerror(code);
    long http_code = 0;  // NOLINT(runtime/int)
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &http_code);
    answer_.code = static_cast<int>(http_code);
    curl_easy_reset(curl_);  // keeps the connection, forgets the credentials
    return std::move(answer_);
  }

 private:
  void Configure(const HttpRequest& request, const std::string& ca_file, curl_slist* headers) {
    error_[0] = 0;
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(curl_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PATH_AS_IS, 1L);  // a key may hold "/../"
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, (std::string("pomona/") + kVersion).c_str());
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, &Connection::OnHeader);
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &Connection::OnData);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, &Connection::OnProgress);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    if (!ca_file.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, ca_file.c_str());
    if (request.method == "HEAD") {
      curl_easy_setopt(curl_, CURLOPT_NOBODY, 1L);
    } else {
      curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    if (request.method == "PUT" || request.method == "POST") {
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    }
    if (!request.sign_as.empty()) {
      curl_easy_setopt(curl_, CURLOPT_AWS_SIGV4, request.sign_as.c_str());
      curl_easy_setopt(curl_, CURLOPT_USERPWD, request.user.c_str());
    }
  }

  static size_t OnHeader(const char* data, size_t, size_t size, void* self) {
    std::string line(data, size);
    const size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) static_cast<Connection*>(self)->answer_.headers.clear();
    if (colon == std::string::npos) return size;
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const size_t begin = std::min(line.find_first_not_of(" \t", colon + 1), line.size());
    const size_t end = line.find_last_not_of(" \t\r\n") + 1;
    static_cast<Connection*>(self)->answer_.headers[name] =
        line.substr(begin, std::max(begin, end) - begin);
    return size;
  }

  static size_t OnData(const uint8_t* data, size_t, size_t size, void* self) {
    return static_cast<Connection*>(self)->Append(data, size) ? size : 0;
  }

  // An exception must not pass through libcurl.
  bool Append(const uint8_t* data, size_t size) try {
    std::vector<uint8_t>& body = answer_.body;
    if (body.empty()) {
      curl_off_t length = 0;
      curl_easy_getinfo(curl_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      if (length > 0 && length <= max_bytes_) body.reserve(static_cast<size_t>(length));
    }
    if (static_cast<int64_t>(body.size() + size) > max_bytes_) return false;
    body.insert(body.end(), data, data + size);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }

  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<const Connection*>(self)->stop_.stop_requested() ? 1 : 0;
  }

  CURL* curl_;
  char error_[CURL_ERROR_SIZE] = {};
  HttpAnswer answer_;
  int64_t max_bytes_ = 0;
  std::stop_token stop_;
};

HttpClient::HttpClient(const std::string& ca_file)
    : ca_file_(ca_file.empty() ? Env("AWS_CA_BUNDLE") : ca_file) {
  InitializeOnce();
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::Send(const HttpRequest& request, std::stop_token stop) {
  std::unique_ptr<Connection> connection = Borrow();
  HttpAnswer answer = connection->Send(request, ca_file_, std::move(stop));
  GiveBack(std::move(connection));
  return answer;
}

// The one used last, whose connection is the least likely to have been closed meanwhile.
std::unique_ptr<HttpClient::Connection> HttpClient::Borrow() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Connection>();
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpClient::GiveBack(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
}

}  // namespace pomona::io
