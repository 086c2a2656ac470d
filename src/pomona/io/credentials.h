// Who asks an object store: the AWS credentials of this process.
#pragma once

#include <memory>
#include <string>

#include "pomona/base/status.h"
#include "pomona/io/http.h"

namespace pomona::io {

// Secrets: never printed, logged or stored.
struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty for credentials that do not expire

  bool operator==(const AwsCredentials&) const = default;
};

// The usual chain, in the AWS SDK's order: environment variables, the profile of ~/.aws, a web
// identity (IRSA), single sign-on, the role of the container or the instance. Renewed before they
// expire. Thread-safe.
class AwsCredentialChain {
 public:
  static Result<std::unique_ptr<AwsCredentialChain>> Make();
  ~AwsCredentialChain();

  // Fails, saying what to set, if nobody provides any.
  Result<AwsCredentials> Get();

  // Asks everybody anew because a store calls `refused` expired. Whether Get gives others now.
  bool Renew(const AwsCredentials& refused);

 private:
  struct State;
  explicit AwsCredentialChain(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Where the chain finds them, by what is set: "the environment (AWS_ACCESS_KEY_ID)", "the profile
// default", "a web identity", "the role of this container", "the role of this instance".
std::string DescribeAwsCredentials();

// The region to ask in: `given`, or if empty what the environment or the profile names, or
// us-east-1.
std::string AwsRegion(const std::string& given);

// Has `request`, as it is now, signed by AWS Signature Version 4 for `service` ("s3", "sqs").
void Sign(const AwsCredentials& who, const std::string& region, const std::string& service,
          HttpRequest* request);

}  // namespace pomona::io
