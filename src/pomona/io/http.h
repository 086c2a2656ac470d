// One HTTP request at a time over connections that are kept open, by libcurl.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace pomona::io {

// As Signature Version 4 and forms have it: everything but RFC 3986's unreserved characters is %XX.
std::string UriEncoded(std::string_view text, bool keep_slashes);

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "name: value"
  std::string_view body;
  int64_t max_answer_bytes = int64_t{1} << 30;  // a longer answer is kTooLong
  // AWS Signature Version 4 (CURLOPT_AWS_SIGV4); none if empty.
  std::string sign_as;  // "aws:amz:REGION:s3"
  std::string user;     // "ACCESS_KEY:SECRET_KEY"; never part of `error`
};

struct HttpAnswer {
  enum class Kind {
    kAnswered,     // `code`, `headers` and `body` are those of the server
    kUnreachable,  // no connection: no such host, or nobody listens there
    kBroken,       // the connection broke off, or nothing came for too long
    kUntrusted,    // the server's certificate is not accepted
    kTooLong,
    kStopped,
    kImpossible,  // a URL that is none; out of memory
  };

  Kind kind = Kind::kAnswered;
  std::string error;  // libcurl's words if not kAnswered
  int code = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::vector<uint8_t> body;

  // The value of a header, "" without it.
  std::string Header(const std::string& lower_case_name) const;
};

// Thread-safe; as many connections as requests at a time.
class HttpClient {
 public:
  // `ca_file`: certificates to trust; if empty AWS_CA_BUNDLE, or without that the system's.
  explicit HttpClient(const std::string& ca_file);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One attempt; follows no redirects.
  HttpAnswer Send(const HttpRequest& request, std::stop_token stop);

 private:
  class Connection;
  std::unique_ptr<Connection> Borrow();
  void GiveBack(std::unique_ptr<Connection> connection);

  const std::string ca_file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace pomona::io
