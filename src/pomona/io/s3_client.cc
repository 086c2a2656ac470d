#include "pomona/io/s3_client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <utility>

#include <curl/curl.h>

#include "pomona/base/environment.h"
#include "pomona/base/text.h"
#include "pomona/base/threads.h"

namespace pomona::io {
namespace {

using Kind = HttpAnswer::Kind;

constexpr int kFirstRequests = 16;  // under way at a time, until the store has answered
constexpr int kMostRequests = 256;
constexpr int kAttempts = 10;  // about half a minute, by BackoffDelay

std::string FirstOf(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

bool IsSlowDown(int code) { return code == 503 || code == 429; }

// What it says about the store. A caller that stops waiting says nothing against it.
Limiter::Outcome OutcomeOf(const HttpAnswer& http) {
  if (http.kind == Kind::kBroken || http.kind == Kind::kUnreachable) {
    return Limiter::Outcome::kFailed;
  }
  if (http.kind != Kind::kAnswered) return Limiter::Outcome::kAnswered;
  if (IsSlowDown(http.code)) return Limiter::Outcome::kTooMuch;
  return http.code >= 500 ? Limiter::Outcome::kFailed : Limiter::Outcome::kAnswered;
}

// Answers that another attempt may well not get.
bool IsPassing(int code, const S3Error& error) {
  static constexpr std::array<std::string_view, 4> kCodes = {
      "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "InternalError"};
  return IsSlowDown(code) || code == 500 || code == 502 || code == 504 ||
         std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
}

// Of a session token.
bool IsExpired(const S3Error& error) {
  return error.code == "ExpiredToken" || error.code == "InvalidToken" ||
         error.code == "TokenRefreshRequired";
}

// Refusals of whoever asks, whatever the object.
bool IsAboutTheCaller(const S3Error& error) {
  static constexpr std::array<std::string_view, 12> kCodes = {
      "NoSuchBucket",   "InvalidAccessKeyId",   "SignatureDoesNotMatch",
      "ExpiredToken",   "InvalidToken",         "TokenRefreshRequired",
      "AccountProblem", "RequestTimeTooSkewed", "PermanentRedirect",
      "RequestExpired", "InvalidSecurity",      "AuthorizationHeaderMalformed"};
  return std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
}

// The time that is `ahead` of now, as "20261122T160000Z".
std::string AmzDate(std::chrono::seconds ahead) {
  const time_t time = std::time(nullptr) + ahead.count();
  std::tm utc = {};
  gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc)};
}

// The policy action that a request needs.
std::string ActionOf(const S3Request& request) {
  if (request.query.contains("uploads") && request.method == "GET") {
    return "s3:ListBucketMultipartUploads";
  }
  if (request.key.empty()) return "s3:ListBucket";
  if (request.method == "PUT" || request.method == "POST") return "s3:PutObject";
  if (request.method == "DELETE") {
    return request.query.contains("uploadId") ? "s3:AbortMultipartUpload" : "s3:DeleteObject";
  }
  return "s3:GetObject";
}

}  // namespace

std::string S3Answer::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

S3Client::S3Client(const BucketUri& uri, const BucketOptions& options)
    : uri_(uri.Root()),
      bucket_(uri.bucket),
      endpoint_(FirstOf({options.endpoint, Env("AWS_ENDPOINT_URL_S3"), Env("AWS_ENDPOINT_URL")})),
      requester_pays_(options.requester_pays),
      http_(options.ca_file),
      limiter_(kFirstRequests, kMostRequests),
      region_(AwsRegion(options.region)) {
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
  // A certificate for *.s3.amazonaws.com does not cover a name with a dot.
  path_style_ =
      endpoint_.empty() ? bucket_.find('.') != std::string::npos : !options.virtual_hosted;
}

Result<std::unique_ptr<S3Client>> S3Client::Make(const BucketUri& uri,
                                                 const BucketOptions& options) {
  std::unique_ptr<S3Client> client(new S3Client(uri, options));
  const std::string& endpoint = client->endpoint_;
  if (!endpoint.empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://")) {
    return UsageError("the endpoint " + Quoted(endpoint) +
                      " is no URL: it begins with http:// or https://");
  }
  if (!options.anonymous) {
    ARROW_ASSIGN_OR_RAISE(client->credentials_, AwsCredentialChain::Make());
    ARROW_RETURN_NOT_OK(client->credentials_->Get().status());
  }
  return client;
}

std::string S3Client::region() const {
  const std::lock_guard lock(mutex_);
  return region_;
}

std::string S3Client::Url(const S3Request& request, const std::string& region) const {
  std::string scheme = "https://";
  std::string host;
  if (endpoint_.empty()) {
    host = "s3." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
  } else {
    const size_t begin = endpoint_.find("//") + 2;
    scheme = endpoint_.substr(0, begin);
    host = endpoint_.substr(begin);
  }
  std::string url = scheme + (path_style_ ? host + "/" + bucket_ : bucket_ + "." + host);
  // Without a key: "/bucket" by path, "/" by host.
  if (!request.key.empty() || !path_style_) url += "/" + UriEncoded(request.key, true);
  char separator = '?';
  for (const auto& [name, value] : request.query) {  // sorted, as the signature wants them
    url += std::exchange(separator, '&') + UriEncoded(name, false) + "=" + UriEncoded(value, false);
  }
  return url;
}

Result<S3Client::Identity> S3Client::CurrentIdentity() {
  Identity identity;
  if (credentials_ != nullptr) {
    ARROW_ASSIGN_OR_RAISE(identity.who, credentials_->Get());
  }
  const std::lock_guard lock(mutex_);
  identity.region = region_;
  identity.clock_ahead = clock_ahead_;
  return identity;
}

HttpRequest S3Client::Prepare(const S3Request& request, const Identity& identity) const {
  HttpRequest http;
  http.method = request.method;
  http.url = Url(request, identity.region);
  http.headers = request.headers;
  http.body = request.body;
  http.max_answer_bytes = request.max_answer_bytes;
  if (request.method == "PUT" || request.method == "POST") {
    http.headers.emplace_back("Content-Type: application/octet-stream");
  }
  if (requester_pays_) http.headers.emplace_back("x-amz-request-payer: requester");
  if (credentials_ == nullptr) return http;
  Sign(identity.who, identity.region, "s3", &http);
  if (identity.clock_ahead.count() != 0) {  // libcurl signs with this date then
    http.headers.push_back("X-Amz-Date: " + AmzDate(identity.clock_ahead));
  }
  return http;
}

Result<S3Answer> S3Client::Send(const S3Request& request, std::stop_token stop) {
  for (int attempt = 1;; ++attempt) {
    int64_t ticket = 0;
    switch (limiter_.Begin(stop, &ticket)) {
      case Limiter::Admission::kStopped:
        return Interrupted("stopped while waiting for " + uri_);
      case Limiter::Admission::kHopeless:
        return Status::IOError(WhereItIs(),
                               " does not recover: run the same command again later; what is "
                               "finished is kept");
      case Limiter::Admission::kGo:
        break;
    }
    const auto identity = CurrentIdentity();
    HttpAnswer http;
    if (identity.ok()) http = http_.Send(Prepare(request, *identity), stop);
    limiter_.Done(ticket, OutcomeOf(http));
    ARROW_RETURN_NOT_OK(identity.status());
    if (http.kind == Kind::kStopped) return Interrupted("stopped while waiting for " + uri_);

    const bool is_answer = http.kind == Kind::kAnswered;
    S3Answer answer{http.code, {}, {}, {}, attempt};
    // CompleteMultipartUpload may say 200 and then that it failed.
    if (is_answer && (!answer.ok() || request.method == "POST")) {
      answer.error = ParseS3Error(http.body);
    }
    const bool failed = !answer.ok() || !answer.error.code.empty();
    const bool corrected =
        is_answer && failed && attempt < kAttempts && Correct(http, answer.error, *identity);
    if (corrected) continue;
    answer.headers = http.headers;
    answer.body = std::move(http.body);
    const bool again = IsWorthAnotherAttempt(request, http, answer);
    if (again && attempt < kAttempts && limiter_.tries() < Limiter::kMostTries) {
      if (!Sleep(BackoffDelay(attempt - 1), stop))
        return Interrupted("stopped while waiting for " + uri_);
      continue;
    }
    if (!is_answer) return ExplainTransport(http);
    if (failed && answer.ok()) answer.code = 500;
    const bool about_the_object = !request.key.empty() && !again &&
                                  !IsAboutTheCaller(answer.error) && answer.code >= 400 &&
                                  answer.code < 500 && answer.code != 401;
    if (!failed || about_the_object) return answer;
    return Explain(request, answer);
  }
}

bool S3Client::IsWorthAnotherAttempt(const S3Request& request, const HttpAnswer& http,
                                     const S3Answer& answer) {
  const std::lock_guard lock(mutex_);
  answered_ = answered_ || http.kind == Kind::kAnswered;
  switch (http.kind) {
    case Kind::kAnswered:
      if (!answer.ok() && IsCutXml(answer.body)) return true;
      if (!answer.ok() || !answer.error.code.empty()) return IsPassing(answer.code, answer.error);
      return request.is_whole && !request.is_whole(answer);
    case Kind::kBroken:
      return true;
    case Kind::kUnreachable:
      return answered_;
    default:
      return false;
  }
}

// Whether the next attempt is made as somebody else, so to speak.
bool S3Client::Correct(const HttpAnswer& answer, const S3Error& error, const Identity& refused) {
  if (IsExpired(error)) return credentials_ != nullptr && credentials_->Renew(refused.who);
  if (error.code == "RequestTimeTooSkewed") return FollowClock(answer, refused.clock_ahead);
  return FollowRegion(answer, error, refused.region);
}

// Signs with the store's time from now on, as the AWS SDKs do.
bool S3Client::FollowClock(const HttpAnswer& answer, std::chrono::seconds refused) {
  const time_t there = curl_getdate(answer.Header("date").c_str(), nullptr);
  const std::lock_guard lock(mutex_);
  if (clock_ahead_ != refused) return true;  // by another request meanwhile
  if (there < 0) return false;
  // Perhaps the clocks agree, and the request was long under way: then it is signed anew.
  clock_ahead_ = std::chrono::seconds(there - std::time(nullptr));
  return true;
}

// Amazon tells in which region a bucket is; whoever gave an endpoint gave the region, too.
bool S3Client::FollowRegion(const HttpAnswer& answer, const S3Error& error,
                            const std::string& refused) {
  if (!endpoint_.empty()) return false;
  const std::string told = FirstOf({answer.Header("x-amz-bucket-region"), error.region});
  if (told.empty() || told == refused) return false;
  const std::lock_guard lock(mutex_);
  region_ = told;
  return true;
}

std::string S3Client::WhereItIs() const {
  return uri_ + (endpoint_.empty() ? "" : " at " + Quoted(endpoint_));
}

Status S3Client::ExplainTransport(const HttpAnswer& answer) const {
  const std::string where = WhereItIs();
  switch (answer.kind) {
    case Kind::kUnreachable:
      return Status::IOError("cannot reach ", where, " (", answer.error,
                             "): check the endpoint and the network");
    case Kind::kUntrusted:
      return Status::IOError("the certificate of ", where, " is not trusted (", answer.error,
                             "): give its authority with --ca-bundle or AWS_CA_BUNDLE");
    case Kind::kTooLong:
      return Status::IOError(where, " sent more than was asked for");
    default:
      return Status::IOError(where, " does not answer properly (", answer.error,
                             "): run the same command again later; what is finished is kept");
  }
}

Status S3Client::Explain(const S3Request& request, const S3Answer& answer) const {
  const std::string what = request.key.empty() ? uri_ : Quoted(uri_ + "/" + ToUtf8(request.key));
  const std::string& code = answer.error.code;
  const std::string at = endpoint_.empty() ? "" : " at " + Quoted(endpoint_);
  if (code == "NoSuchBucket" || (request.key.empty() && answer.code == 404)) {
    return Status::IOError("there is no bucket ", uri_, at, ": check its name and the endpoint");
  }
  if (code == "InvalidAccessKeyId") {
    return Status::IOError(uri_, at, " does not know the access key of ", DescribeAwsCredentials(),
                           ": check it (pomona doctor ", uri_, ")");
  }
  if (code == "SignatureDoesNotMatch") {
    return Status::IOError(uri_, at, " refuses the signature: the secret key of ",
                           DescribeAwsCredentials(), " is not the one of its access key");
  }
  if (IsExpired(answer.error)) {
    return Status::IOError(uri_, at, " refuses the session token of ", DescribeAwsCredentials(),
                           ", which is expired or wrong: get new credentials and run the same "
                           "command again; what is finished is kept");
  }
  if (code == "RequestTimeTooSkewed") {
    return Status::IOError(uri_, at, " refuses this machine's time, which is more than 15 minutes ",
                           "wrong: set its clock");
  }
  if (code == "PermanentRedirect" || code == "TemporaryRedirect" ||
      code == "AuthorizationHeaderMalformed") {
    return Status::IOError(uri_, at, " is not in the region ", region(),
                           answer.error.region.empty() ? "" : " but in " + answer.error.region,
                           ": set --region or AWS_REGION");
  }
  if (answer.code == 403 || answer.code == 401) {
    return Status::IOError(what, at, " is denied: ",
                           credentials_ == nullptr
                               ? "it is not public; leave out --no-sign-request"
                               : "the policy of " + DescribeAwsCredentials() + " must allow " +
                                     ActionOf(request) + " there");
  }
  if (IsPassing(answer.code, answer.error)) {
    return Status::IOError(uri_, at, " is too busy or out of order (", answer.code, " ", code, ", ",
                           answer.attempts,
                           " attempts): run the same command again later; what is "
                           "finished is kept");
  }
  return Status::IOError(what, at, " answered ", answer.code, " ", code,
                         answer.error.message.empty() ? "" : ": " + ToUtf8(answer.error.message));
}

}  // namespace pomona::io
