#include "pomona/io/credentials.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <arrow/filesystem/s3fs.h>

#include "pomona/base/environment.h"
#include "pomona/base/hash.h"

namespace pomona::io {
namespace {

using Clock = std::chrono::steady_clock;

// The SDK renews credentials minutes before they expire.
constexpr auto kAskAgainAfter = std::chrono::seconds(30);

// Three questions to a provider, which may renew between them.
AwsCredentials Ask(const arrow::fs::S3Options& options) {
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

std::string ProfileName() {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (std::string profile = Env(name); !profile.empty()) return profile;
  }
  return "default";
}

std::string FileOfAws(const char* variable, const std::string& name) {
  const std::string file = Env(variable);
  return file.empty() ? Env("HOME") + "/.aws/" + name : file;
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The value of `key` in a section of one of the SDK's INI files; "" without it.
std::string IniValue(const std::string& file, const std::string& section, const std::string& key) {
  std::ifstream in(file);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    line = Trimmed(line);
    if (line.starts_with('[')) {
      const std::string name = Trimmed(line.substr(1, line.find(']') - 1));
      inside = name == section || name == "profile " + section;
    }
    const size_t equals = line.find('=');
    if (inside && equals != std::string::npos && Trimmed(line.substr(0, equals)) == key) {
      return Trimmed(line.substr(equals + 1));
    }
  }
  return "";
}

bool ProfileHas(const std::string& key) {
  return !IniValue(FileOfAws("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ProfileName(), key)
              .empty() ||
         !IniValue(FileOfAws("AWS_CONFIG_FILE", "config"), ProfileName(), key).empty();
}

}  // namespace

struct AwsCredentialChain::State {
  arrow::fs::S3Options options;
  std::mutex mutex;
  AwsCredentials last;
  Clock::time_point asked;
  std::optional<Clock::time_point> renewed_in_vain;
};

AwsCredentialChain::AwsCredentialChain(std::unique_ptr<State> state) : state_(std::move(state)) {}
AwsCredentialChain::~AwsCredentialChain() = default;

Result<std::unique_ptr<AwsCredentialChain>> AwsCredentialChain::Make() {
  ARROW_RETURN_NOT_OK(StartSdk());
  auto state = std::make_unique<State>();
  state->options = arrow::fs::S3Options::Defaults();
  return std::unique_ptr<AwsCredentialChain>(new AwsCredentialChain(std::move(state)));
}

Result<AwsCredentials> AwsCredentialChain::Get() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!state.last.access_key.empty() && Clock::now() - state.asked < kAskAgainAfter) {
    return state.last;
  }
  const AwsCredentials now = Ask(state.options);
  if (now.access_key.empty() || now.secret_key.empty()) {
    return Status::IOError("no AWS credentials from ", DescribeAwsCredentials(),
                           ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, give "
                           "this machine a role, or read a public bucket with --no-sign-request");
  }
  state.last = now;
  state.asked = Clock::now();
  return now;
}

// A chain of its own: those of the SDK keep what they found for minutes. All requests that are
// under way are refused together, and one of them asks for all.
bool AwsCredentialChain::Renew(const AwsCredentials& refused) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (state.last != refused) return true;
  if (state.renewed_in_vain && Clock::now() - *state.renewed_in_vain < kAskAgainAfter) return false;
  arrow::fs::S3Options options = arrow::fs::S3Options::Defaults();
  const AwsCredentials now = Ask(options);
  if (now == refused || now.access_key.empty() || now.secret_key.empty()) {
    state.renewed_in_vain = Clock::now();
    return false;
  }
  state.options = std::move(options);
  state.last = now;
  state.asked = Clock::now();
  return true;
}

std::string DescribeAwsCredentials() {
  if (!Env("AWS_ACCESS_KEY_ID").empty()) return "the environment (AWS_ACCESS_KEY_ID)";
  for (const char* key :
       {"aws_access_key_id", "credential_process", "role_arn", "sso_session", "sso_start_url"}) {
    if (ProfileHas(key)) return "the profile " + ProfileName() + " (" + key + ")";
  }
  if (!Env("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) return "a web identity";
  if (!Env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !Env("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    return "the role of this container";
  }
  return "the role of this instance";
}

std::string AwsRegion(const std::string& given) {
  for (const std::string& region :
       {given, Env("AWS_REGION"), Env("AWS_DEFAULT_REGION"),
        IniValue(FileOfAws("AWS_CONFIG_FILE", "config"), ProfileName(), "region")}) {
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
