#include "pomona/io/aws_profile.h"

#include <fstream>

#include "pomona/base/environment.h"

namespace pomona::io {
namespace {

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

}  // namespace

std::string AwsProfile() {
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (std::string profile = Env(name); !profile.empty()) return profile;
  }
  return "default";
}

std::string AwsSetting(const std::string& key) {
  const std::string profile = AwsProfile();
  const std::string value =
      IniValue(FileOfAws("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile, key);
  return value.empty() ? IniValue(FileOfAws("AWS_CONFIG_FILE", "config"), profile, key) : value;
}

}  // namespace pomona::io
