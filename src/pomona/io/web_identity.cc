#include "pomona/io/web_identity.h"

#include <ctime>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>

#include <pugixml.hpp>

#include "pomona/base/environment.h"
#include "pomona/base/text.h"
#include "pomona/io/aws_profile.h"
#include "pomona/io/http.h"
#include "pomona/io/limiter.h"

namespace pomona::io {
namespace {

constexpr int kAttempts = 4;
constexpr size_t kMostTokenBytes = 20'000;  // what STS takes

std::string EnvOrSetting(const char* variable, const char* setting) {
  const std::string value = Env(variable);
  return value.empty() ? AwsSetting(setting) : value;
}

std::string Endpoint() {
  for (const char* name : {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"}) {
    if (std::string url = Env(name); !url.empty()) return url;
  }
  const std::string region = AwsRegion("");
  return "https://sts." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

Result<std::string> ReadToken(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string token{std::istreambuf_iterator<char>(in), {}};
  token.erase(token.find_last_not_of(" \r\n") + 1);
  if (token.empty() || token.size() > kMostTokenBytes) {
    return Status::IOError("there is no token in ", Quoted(file));
  }
  return token;
}

// Of "2026-11-25T23:00:00Z"; the epoch if it is no time.
std::chrono::system_clock::time_point TimeOf(const char* text) {
  std::tm utc = {};
  if (strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) == nullptr) return {};
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

bool IsPassing(const HttpAnswer& answer) {
  return answer.kind == HttpAnswer::Kind::kBroken ||
         (answer.kind == HttpAnswer::Kind::kAnswered && (answer.code == 429 || answer.code >= 500));
}

HttpAnswer Ask(const HttpRequest& request) {
  HttpClient http("");
  HttpAnswer answer = http.Send(request, {});
  for (int attempt = 1; attempt < kAttempts && IsPassing(answer); ++attempt) {
    std::this_thread::sleep_for(BackoffDelay(attempt - 1));
    answer = http.Send(request, {});
  }
  return answer;
}

// Names no token: STS does not repeat it.
Result<TemporaryCredentials> Parse(const HttpAnswer& answer, const std::string& role) {
  pugi::xml_document document;
  document.load_buffer(answer.body.data(), answer.body.size());
  const pugi::xml_node root = document.document_element();
  if (answer.code != 200) {
    const pugi::xml_node error = root.child("Error");
    return Status::IOError("STS refuses to give the role ", Quoted(role), " (", answer.code, " ",
                           ToUtf8(error.child_value("Code")),
                           "): ", ToUtf8(error.child_value("Message")).substr(0, 300));
  }
  const pugi::xml_node given = root.child("AssumeRoleWithWebIdentityResult").child("Credentials");
  const TemporaryCredentials out = {
      {given.child_value("AccessKeyId"), given.child_value("SecretAccessKey"),
       given.child_value("SessionToken")},
      TimeOf(given.child_value("Expiration"))};
  if (out.who.access_key.empty() || out.who.secret_key.empty()) {
    return Status::IOError("STS gave an answer without credentials");
  }
  return out;
}

}  // namespace

std::optional<WebIdentity> FindWebIdentity() {
  WebIdentity found = {EnvOrSetting("AWS_ROLE_ARN", "role_arn"),
                       EnvOrSetting("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"),
                       EnvOrSetting("AWS_ROLE_SESSION_NAME", "role_session_name")};
  if (found.role.empty() || found.token_file.empty()) return std::nullopt;
  if (found.session.empty()) found.session = "pomona";
  return found;
}

Result<TemporaryCredentials> AssumeRole(const WebIdentity& identity) {
  ARROW_ASSIGN_OR_RAISE(const std::string token, ReadToken(identity.token_file));
  const std::string form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" +
                           UriEncoded(identity.role, false) +
                           "&RoleSessionName=" + UriEncoded(identity.session, false) +
                           "&WebIdentityToken=" + UriEncoded(token, false);
  HttpRequest request;
  request.method = "POST";
  request.url = Endpoint();
  request.headers = {"Content-Type: application/x-www-form-urlencoded", "Accept: text/xml"};
  request.body = form;
  const HttpAnswer answer = Ask(request);
  if (answer.kind != HttpAnswer::Kind::kAnswered) {
    return Status::IOError("cannot reach STS at ", Quoted(request.url), " (", answer.error,
                           "): check AWS_ENDPOINT_URL_STS and AWS_REGION");
  }
  return Parse(answer, identity.role);
}

}  // namespace pomona::io
