#include "pomona/io/s3_client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <random>
#include <utility>

#include "pomona/base/hash.h"
#include "pomona/base/text.h"

namespace pomona::io {
namespace {

using std::chrono::milliseconds;
using Kind = HttpAnswer::Kind;

constexpr int kFirstRequests = 16;  // under way at a time, until the store has answered
constexpr int kMostRequests = 256;
// Delays of up to 0.1, 0.2, 0.4 ... 10 s: about half a minute until a failure is one.
constexpr int kAttempts = 10;
constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kMostDelay{10'000};

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string FirstOf(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

// As Signature Version 4 has it: everything but RFC 3986's unreserved characters is %XX.
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

// "Full jitter": any time up to a limit that doubles, so that clients do not come back together.
milliseconds Delay(int attempt) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const auto most = std::min<int64_t>(kMostDelay.count(), kFirstDelay.count() << attempt);
  return milliseconds(std::uniform_int_distribution<int64_t>(most / 10, most)(random));
}

// False when stopped.
bool Sleep(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

bool IsSlowDown(int code) { return code == 503 || code == 429; }

// Answers that another attempt may well not get.
bool IsPassing(int code, const S3Error& error) {
  static constexpr std::array<std::string_view, 4> kCodes = {
      "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "InternalError"};
  return IsSlowDown(code) || code == 500 || code == 502 || code == 504 ||
         std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
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
      http_(FirstOf({options.ca_file, Env("AWS_CA_BUNDLE")})),
      limiter_(kFirstRequests, kMostRequests),
      region_(FirstOf({options.region, ConfiguredAwsRegion(), "us-east-1"})) {
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

std::string S3Client::Url(const S3Request& request) const {
  std::string scheme = "https://";
  std::string host;
  if (endpoint_.empty()) {
    const std::string here = region();
    host = "s3." + here + ".amazonaws.com" + (here.starts_with("cn-") ? ".cn" : "");
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

Result<HttpRequest> S3Client::Prepare(const S3Request& request) {
  HttpRequest http;
  http.method = request.method;
  http.url = Url(request);
  http.headers = request.headers;
  http.body = request.body;
  http.max_answer_bytes = request.max_answer_bytes;
  const std::span body(reinterpret_cast<const uint8_t*>(request.body.data()), request.body.size());
  http.headers.push_back("x-amz-content-sha256: " + Sha256Hex(body));
  if (request.method == "PUT" || request.method == "POST") {
    http.headers.emplace_back("Content-Type: application/octet-stream");
  }
  if (requester_pays_) http.headers.emplace_back("x-amz-request-payer: requester");
  if (credentials_ == nullptr) return http;
  ARROW_ASSIGN_OR_RAISE(const AwsCredentials who, credentials_->Get());
  http.sign_as = "aws:amz:" + region() + ":s3";
  http.user = who.access_key + ":" + who.secret_key;
  if (!who.session_token.empty()) {
    http.headers.push_back("x-amz-security-token: " + who.session_token);
  }
  return http;
}

Result<S3Answer> S3Client::Send(const S3Request& request, std::stop_token stop) {
  for (int attempt = 1;; ++attempt) {
    int64_t ticket = 0;
    if (!limiter_.Begin(stop, &ticket)) return Interrupted("stopped while waiting for " + uri_);
    const std::string asked = region();
    auto http = Prepare(request);
    HttpAnswer answer;
    if (http.ok()) answer = http_.Send(*http, stop);
    limiter_.Done(ticket, answer.kind == Kind::kAnswered && IsSlowDown(answer.code));
    ARROW_RETURN_NOT_OK(http.status());
    if (answer.kind == Kind::kStopped) return Interrupted("stopped while waiting for " + uri_);

    const bool is_answer = answer.kind == Kind::kAnswered;
    S3Answer out{answer.code, {}, {}, {}, attempt};
    // CompleteMultipartUpload may say 200 and then that it failed.
    if (is_answer && (!out.ok() || request.method == "POST")) out.error = ParseS3Error(answer.body);
    const bool failed = !out.ok() || !out.error.code.empty();
    bool again =
        is_answer ? failed && IsPassing(answer.code, out.error) : answer.kind == Kind::kBroken;
    {
      const std::lock_guard lock(mutex_);
      answered_ = answered_ || is_answer;
      again = again || (answer.kind == Kind::kUnreachable && answered_);
    }
    if (again && attempt < kAttempts) {
      if (!Sleep(Delay(attempt - 1), stop)) return Interrupted("stopped while waiting for " + uri_);
      continue;
    }
    if (!is_answer) return ExplainTransport(answer);
    if (failed && attempt < kAttempts && FollowRegion(answer, out.error, asked)) continue;
    out.headers = std::move(answer.headers);
    out.body = std::move(answer.body);
    if (failed && out.ok()) out.code = 500;
    const bool about_the_object = !request.key.empty() && !again && !IsAboutTheCaller(out.error) &&
                                  out.code >= 400 && out.code < 500 && out.code != 401;
    if (!failed || about_the_object) return out;
    return Explain(request, out);
  }
}

// Amazon tells in which region a bucket is; whoever gave an endpoint gave the region, too.
bool S3Client::FollowRegion(const HttpAnswer& answer, const S3Error& error,
                            const std::string& asked) {
  if (!endpoint_.empty()) return false;
  const std::string told = FirstOf({answer.Header("x-amz-bucket-region"), error.region});
  if (told.empty() || told == asked) return false;
  const std::lock_guard lock(mutex_);
  region_ = told;
  return true;
}

Status S3Client::ExplainTransport(const HttpAnswer& answer) const {
  const std::string where = uri_ + (endpoint_.empty() ? "" : " at " + Quoted(endpoint_));
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
  if (code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired") {
    return Status::IOError(uri_, at, " refuses the session token of ", DescribeAwsCredentials(),
                           ", which is expired or wrong: get new credentials and run the same "
                           "command again; what is finished is kept");
  }
  if (code == "RequestTimeTooSkewed") {
    return Status::IOError(uri_, at, " refuses this machine's time, which is more than 15 minutes ",
                           "wrong: set its clock");
  }
  if (code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed") {
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
