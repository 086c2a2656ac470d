#include "pomona/io/credentials.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <arrow/filesystem/s3fs.h>

#include "pomona/base/environment.h"
#include "pomona/base/hash.h"
#include "pomona/io/aws_profile.h"
#include "pomona/io/web_identity.h"

namespace pomona::io {
namespace {

using Clock = std::chrono::system_clock;

// The SDK renews credentials minutes before they expire.
constexpr auto kAskAgainAfter = std::chrono::seconds(30);
constexpr auto kBeforeExpiry = std::chrono::minutes(5);  // a web identity's are renewed
constexpr auto kLeastPause = std::chrono::seconds(1);    // between two questions to STS

// Three questions to a provider, which may renew between them.
AwsCredentials AskOnce(const arrow::fs::S3Options& options) {
  AwsCredentials now;
  do {
    now = {options.GetAccessKey(), options.GetSecretKey(), options.GetSessionToken()};
  } while (now.access_key != options.GetAccessKey());
  return now;
}

// Once; ended when the process exits, before the SDK's own statics are gone.
Status StartSdk() {
  static const Status started = [] {
    arrow::fs::S3GlobalOptions options = arrow::fs::S3GlobalOptions::Defaults();
    options.log_level = arrow::fs::S3LogLevel::Off;
    if (arrow::fs::IsS3Initialized()) return Status::OK();  // by whoever loaded this library
    ARROW_RETURN_NOT_OK(arrow::fs::InitializeS3(options));
    std::atexit([] { (void)arrow::fs::EnsureS3Finalized(); });
    return Status::OK();
  }();
  return started;
}

// Whether one before a web identity in the chain has any.
bool EnvironmentOrProfileHas() {
  return !Env("AWS_ACCESS_KEY_ID").empty() || !AwsSetting("aws_access_key_id").empty() ||
         !AwsSetting("credential_process").empty();
}

struct Grant {
  AwsCredentials who;
  Clock::time_point ask_again;
  Clock::time_point expire;  // the past if the SDK takes care of that
};
using Ask = std::function<Result<Grant>()>;

// The SDK's chain. It keeps what it found for minutes, so one that was just made asks anew.
Result<Ask> AskSdk() {
  ARROW_RETURN_NOT_OK(StartSdk());
  return [options = arrow::fs::S3Options::Defaults()]() -> Result<Grant> {
    const AwsCredentials who = AskOnce(options);
    if (who.access_key.empty() || who.secret_key.empty()) {
      return Status::IOError("no AWS credentials from ", DescribeAwsCredentials(),
                             ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, "
                             "give this machine a role, or read a public bucket with "
                             "--no-sign-request");
    }
    return Grant{who, Clock::now() + kAskAgainAfter, {}};
  };
}

Ask AskSts(const WebIdentity& identity) {
  return [identity]() -> Result<Grant> {
    const auto given = AssumeRole(identity);
    if (!given.ok()) {
      return WithContext(given.status(), "no AWS credentials from " + DescribeAwsCredentials());
    }
    const auto now = Clock::now();
    return Grant{given->who, std::max(now + kLeastPause, given->expire - kBeforeExpiry),
                 given->expire};
  };
}

// A web identity that is refused is an error, not a reason to go on as the machine's role.
Result<Ask> MakeAsk() {
  if (const auto identity = FindWebIdentity(); identity && !EnvironmentOrProfileHas()) {
    return AskSts(*identity);
  }
  return AskSdk();
}

}  // namespace

struct AwsCredentialChain::State {
  Ask ask;
  std::mutex mutex;
  Grant last;
  std::optional<Clock::time_point> renewed_in_vain;
};

AwsCredentialChain::AwsCredentialChain(std::unique_ptr<State> state) : state_(std::move(state)) {}
AwsCredentialChain::~AwsCredentialChain() = default;

Result<std::unique_ptr<AwsCredentialChain>> AwsCredentialChain::Make() {
  auto state = std::make_unique<State>();
  ARROW_ASSIGN_OR_RAISE(state->ask, MakeAsk());
  return std::unique_ptr<AwsCredentialChain>(new AwsCredentialChain(std::move(state)));
}

Result<AwsCredentials> AwsCredentialChain::Get() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (Clock::now() < state.last.ask_again) return state.last.who;
  auto granted = state.ask();
  if (granted.ok()) {
    state.last = *std::move(granted);
  } else if (Clock::now() < state.last.expire) {  // what there is does for now
    state.last.ask_again = Clock::now() + kAskAgainAfter;
  } else {
    return granted.status();
  }
  return state.last.who;
}

// By a chain of its own. All requests that are under way are refused together, and one of them asks
// for all.
bool AwsCredentialChain::Renew(const AwsCredentials& refused) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.last.who != refused) return true;
  if (state.renewed_in_vain && Clock::now() - *state.renewed_in_vain < kAskAgainAfter) return false;
  auto ask = MakeAsk();
  auto granted = ask.ok() ? (*ask)() : ask.status();
  if (!granted.ok() || granted->who == refused) {
    state.renewed_in_vain = Clock::now();
    return false;
  }
  state.ask = *std::move(ask);
  state.last = *std::move(granted);
  return true;
}

std::string DescribeAwsCredentials() {
  if (!Env("AWS_ACCESS_KEY_ID").empty()) return "the environment (AWS_ACCESS_KEY_ID)";
  if (!EnvironmentOrProfileHas() && FindWebIdentity()) return "a web identity";
  for (const char* key :
       {"aws_access_key_id", "credential_process", "role_arn", "sso_session", "sso_start_url"}) {
    if (!AwsSetting(key).empty()) return "the profile " + AwsProfile() + " (" + key + ")";
  }
  if (!Env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !Env("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    return "the role of this container";
  }
  return "the role of this instance";
}

std::string AwsRegion(const std::string& given) {
  for (const std::string& region :
       {given, Env("AWS_REGION"), Env("AWS_DEFAULT_REGION"), AwsSetting("region")}) {
    if (!region.empty()) return region;
  }
  return "us-east-1";
}

void Sign(const AwsCredentials& who, const std::string& region, const std::string& service,
          HttpRequest* request) {
  const std::string_view body = request->body;
  request->headers.push_back(
      "x-amz-content-sha256: " +
      Sha256Hex(std::span(reinterpret_cast<const uint8_t*>(body.data()), body.size())));
  if (!who.session_token.empty()) {
    request->headers.push_back("x-amz-security-token: " + who.session_token);
  }
  request->sign_as = "aws:amz:" + region + ":" + service;
  request->user = who.access_key + ":" + who.secret_key;
}

}  // namespace pomona::io
