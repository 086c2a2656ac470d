// Fetches the weights of a card from where their publisher keeps them.
#pragma once

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>

#include "pomona/base/progress.h"
#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

struct PullOptions {
  std::filesystem::path cache;  // empty: CacheFolder()
  std::string url;              // empty: the card's; else a mirror, http:// or https://
  std::chrono::seconds connect_timeout{30};
  std::chrono::seconds stall_timeout{30};  // slower than 1 kB/s for so long is a broken connection
  int attempts = 5;
  std::chrono::milliseconds backoff{1000};  // before the second attempt; doubles for each further
};

// Downloads to FILE.part, checks size and checksums, and only then gives it its name, so that
// FindWeights never meets half a file; pins its SHA-256 beside it (FILE.sha256). An interrupted
// download (Status::Cancelled) is continued by the next call. Reports bytes as stage "downloading".
// Weights that are there and in order are left alone. The error says what the server or the disk
// answered; a file with the wrong checksum is removed. UsageError if the card names no address.
Status Pull(const Card& card, const PullOptions& options, const Observer& observer,
            std::stop_token stop);

}  // namespace pomona::model
