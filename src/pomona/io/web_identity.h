// Credentials of a role for a web identity: AWS STS gives them for a token that lies in a file, as
// it does in pods on EKS (IRSA).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "pomona/base/status.h"
#include "pomona/io/credentials.h"

namespace pomona::io {

struct WebIdentity {
  std::string role;        // its ARN
  std::string token_file;  // written anew by whoever issues tokens
  std::string session;     // how the role's users are told apart
};

// AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_SESSION_NAME, or the same settings of the
// profile; nullopt without role or file.
std::optional<WebIdentity> FindWebIdentity();

struct TemporaryCredentials {
  AwsCredentials who;
  std::chrono::system_clock::time_point expire;
};

// AssumeRoleWithWebIdentity, at AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or Amazon's STS of the
// region. Failures that pass are tried again.
Result<TemporaryCredentials> AssumeRole(const WebIdentity& identity);

}  // namespace pomona::io
