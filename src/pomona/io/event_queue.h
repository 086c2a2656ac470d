// An Amazon SQS queue to which a bucket sends a message for every object that comes, changes or
// goes (S3 Event Notifications).
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/io/bucket.h"
#include "pomona/io/credentials.h"
#include "pomona/io/http.h"

namespace pomona::io {

// What a message says is not read: it only tells that the bucket is worth listing again, so that a
// message that is lost, comes twice or out of order does no harm. AWS JSON protocol of SQS.
class EventQueue {
 public:
  // `url` as SQS gives it: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME. UsageError if it is none.
  // Of `options` region and ca_file are used; a region in the URL wins.
  static Result<std::unique_ptr<EventQueue>> Open(const std::string& url,
                                                  const BucketOptions& options);

  // Waits at most `time` (20 s at most at a time is asked of SQS) for a message, then takes all
  // that are there already; true if there was any. Cancelled when stopped.
  Result<bool> Wait(std::chrono::seconds time, const std::stop_token& stop);

  // Deletes what Wait took. Messages that are not come again, so that a run that failed is made up
  // for.
  Status Acknowledge(const std::stop_token& stop);

 private:
  EventQueue(std::string url, std::string region, const BucketOptions& options);

  Result<std::string> Send(const std::string& action, const std::string& body,
                           const std::stop_token& stop);
  Result<size_t> Receive(std::chrono::seconds time, const std::stop_token& stop);

  const std::string url_;
  const std::string region_;
  HttpClient http_;
  std::unique_ptr<AwsCredentialChain> credentials_;
  std::vector<std::string> taken_;  // receipt handles
};

}  // namespace pomona::io
