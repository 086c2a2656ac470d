// Requests to one S3 bucket: addressed, signed, paced and tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/bucket.h"
#include "pomona/io/credentials.h"
#include "pomona/io/http.h"
#include "pomona/io/limiter.h"
#include "pomona/io/s3_answers.h"

namespace pomona::io {

struct S3Answer {
  int code = 0;  // 2xx, or one that says something about this object (see Send)
  std::map<std::string, std::string> headers;
  std::vector<uint8_t> body;
  S3Error error;  // if code is not 2xx
  int attempts = 1;

  bool ok() const { return code >= 200 && code < 300; }
  std::string Header(const std::string& lower_case_name) const;
};

struct S3Request {
  std::string method = "GET";
  std::string key;                           // "" for the bucket itself
  std::map<std::string, std::string> query;  // decoded
  std::vector<std::string> headers;
  std::string_view body;
  int64_t max_answer_bytes = int64_t{1} << 30;
  // Whether an answer that is ok() holds all that was asked for, if it can be told; one that does
  // not is asked for again, and given if it stays so.
  std::function<bool(const S3Answer&)> is_whole;
};

class S3Client {
 public:
  static Result<std::unique_ptr<S3Client>> Make(const BucketUri& uri, const BucketOptions& options);

  const std::string& uri() const { return uri_; }

  // The store's answer. An answer that is not ok() is given only if it is about the object asked
  // for: 404 NoSuchKey, 412 and 416, 403 and others for a key; everything else is an error.
  Result<S3Answer> Send(const S3Request& request, std::stop_token stop);

  // What an answer that is not ok() means, in a sentence.
  Status Explain(const S3Request& request, const S3Answer& answer) const;

 private:
  S3Client(const BucketUri& uri, const BucketOptions& options);

  // What a store may refuse although another would be accepted.
  struct Identity {
    std::string region;
    std::chrono::seconds clock_ahead{0};  // of the store's clock before this machine's
    AwsCredentials who;                   // empty: anonymous
  };

  Result<Identity> CurrentIdentity();
  HttpRequest Prepare(const S3Request& request, const Identity& identity) const;
  std::string Url(const S3Request& request, const std::string& region) const;
  std::string region() const;
  std::string WhereItIs() const;
  bool IsWorthAnotherAttempt(const S3Request& request, const HttpAnswer& http,
                             const S3Answer& answer);
  bool Correct(const HttpAnswer& answer, const S3Error& error, const Identity& refused);
  bool FollowRegion(const HttpAnswer& answer, const S3Error& error, const std::string& refused);
  bool FollowClock(const HttpAnswer& answer, std::chrono::seconds refused);
  Status ExplainTransport(const HttpAnswer& answer) const;

  const std::string uri_;
  const std::string bucket_;
  std::string endpoint_;  // "" for Amazon's own
  bool path_style_;
  const bool requester_pays_;
  std::unique_ptr<AwsCredentialChain> credentials_;  // null: anonymous
  HttpClient http_;
  Limiter limiter_;
  mutable std::mutex mutex_;
  std::string region_;
  std::chrono::seconds clock_ahead_{0};
  bool answered_ = false;  // the store was there once: that it is not is likely to pass
};

}  // namespace pomona::io
