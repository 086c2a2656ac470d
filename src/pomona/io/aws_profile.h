// Settings of the AWS SDKs' files, ~/.aws/credentials and ~/.aws/config.
#pragma once

#include <string>

namespace pomona::io {

// The profile of this process: AWS_PROFILE, AWS_DEFAULT_PROFILE, or "default".
std::string AwsProfile();

// What the profile says of `key` in the file of credentials, or else in that of settings; ""
// without it.
std::string AwsSetting(const std::string& key);

}  // namespace pomona::io
