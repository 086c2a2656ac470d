#include "pomona/io/event_queue.h"

#include <algorithm>
#include <regex>
#include <utility>

#include <nlohmann/json.hpp>

#include "pomona/base/text.h"

namespace pomona::io {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr seconds kLongestPoll{20};  // of one ReceiveMessage
constexpr int kMessages = 10;        // of one ReceiveMessage or DeleteMessageBatch

// "https://sqs.eu-west-1.amazonaws.com" of the queue's URL.
std::string EndpointOf(const std::string& url) { return url.substr(0, url.find('/', 8)); }

std::string RegionOf(const std::string& url) {
  static const std::regex pattern(R"(https?://sqs\.([a-z0-9-]+)\.amazonaws\.com.*)");
  std::smatch match;
  return std::regex_match(url, match, pattern) ? match[1].str() : "";
}

std::string Text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

EventQueue::EventQueue(std::string url, std::string region, const BucketOptions& options)
    : url_(std::move(url)), region_(std::move(region)), http_(options.ca_file) {}

Result<std::unique_ptr<EventQueue>> EventQueue::Open(const std::string& url,
                                                     const BucketOptions& options) {
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    return UsageError(Quoted(url) + " is no queue: give the URL that SQS shows for it");
  }
  const std::string region = RegionOf(url);
  std::unique_ptr<EventQueue> queue(
      new EventQueue(url, region.empty() ? AwsRegion(options.region) : region, options));
  ARROW_ASSIGN_OR_RAISE(queue->credentials_, AwsCredentialChain::Make());
  ARROW_RETURN_NOT_OK(queue->credentials_->Get().status());
  return queue;
}

Result<std::string> EventQueue::Send(const std::string& action, const std::string& body,
                                     const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(const AwsCredentials who, credentials_->Get());
  HttpRequest request;
  request.method = "POST";
  request.url = EndpointOf(url_) + "/";
  request.body = body;
  request.headers = {"Content-Type: application/x-amz-json-1.0",
                     "X-Amz-Target: AmazonSQS." + action};
  Sign(who, region_, "sqs", &request);
  const HttpAnswer answer = http_.Send(request, stop);
  if (answer.kind == HttpAnswer::Kind::kStopped) return Interrupted("stopped while watching");
  if (answer.kind != HttpAnswer::Kind::kAnswered) {
    return Status::IOError("cannot reach the queue ", Quoted(url_), " (", answer.error,
                           "): check its URL and the network");
  }
  if (answer.code != 200) {
    return Status::IOError("the queue ", Quoted(url_), " answered ", answer.code, " to ", action,
                           ": ", ToUtf8(Text(answer.body)).substr(0, 300),
                           "; it must exist and allow sqs:ReceiveMessage and sqs:DeleteMessage");
  }
  return Text(answer.body);
}

Result<size_t> EventQueue::Receive(seconds time, const std::stop_token& stop) {
  const json asked = {
      {"QueueUrl", url_}, {"MaxNumberOfMessages", kMessages}, {"WaitTimeSeconds", time.count()}};
  ARROW_ASSIGN_OR_RAISE(const std::string answer, Send("ReceiveMessage", asked.dump(), stop));
  try {
    const json parsed = json::parse(answer);
    if (!parsed.contains("Messages") || parsed.at("Messages").is_null()) return 0;
    for (const json& message : parsed.at("Messages")) {
      taken_.push_back(message.at("ReceiptHandle").get<std::string>());
    }
    return parsed.at("Messages").size();
  } catch (const json::exception& e) {
    return Status::IOError("the queue ", Quoted(url_), " gave an answer that is none: ", e.what());
  }
}

Result<bool> EventQueue::Wait(seconds time, const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(size_t received, Receive(std::min(time, kLongestPoll), stop));
  const bool any = received > 0;
  while (received > 0) {
    ARROW_ASSIGN_OR_RAISE(received, Receive(seconds(0), stop));
  }
  return any;
}

Status EventQueue::Acknowledge(const std::stop_token& stop) {
  while (!taken_.empty()) {
    json entries = json::array();
    const size_t count = std::min<size_t>(taken_.size(), kMessages);
    for (size_t i = 0; i < count; ++i) {
      entries.push_back({{"Id", std::to_string(i)}, {"ReceiptHandle", taken_[i]}});
    }
    const json asked = {{"QueueUrl", url_}, {"Entries", entries}};
    ARROW_RETURN_NOT_OK(Send("DeleteMessageBatch", asked.dump(), stop).status());
    taken_.erase(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return Status::OK();
}

}  // namespace pomona::io
