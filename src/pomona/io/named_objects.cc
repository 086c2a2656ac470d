#include "pomona/io/named_objects.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace pomona::io {
namespace {

// The folder, with its slash, in which all keys are; "" if they have none in common.
std::string CommonFolder(const std::unordered_multimap<std::string, Entry*>& wanted) {
  std::string common = wanted.begin()->first;
  for (const auto& [key, entry] : wanted) {
    const auto end = std::mismatch(common.begin(), common.end(), key.begin(), key.end()).first;
    common.erase(end, common.end());
  }
  return common.substr(0, common.rfind('/') + 1);
}

}  // namespace

Result<NamedObjects::Place> NamedObjects::Find(const std::string& name) const {
  if (!IsBucketUri(name))
    return Place{home_, name.starts_with('/') ? name.substr(1) : folder_ + name};
  ARROW_ASSIGN_OR_RAISE(const BucketUri uri, ParseBucketUri(name));
  if (home_ != nullptr && home_->uri() == uri.Root()) return Place{home_, uri.key};
  const std::lock_guard lock(mutex_);
  auto& bucket = others_[uri.Root()];
  if (bucket == nullptr) {
    ARROW_ASSIGN_OR_RAISE(bucket, OpenBucket(uri, options_));
  }
  return Place{bucket, uri.key};
}

Status NamedObjects::Inspect(std::vector<Entry>* entries, std::stop_token stop) {
  std::map<std::shared_ptr<const Bucket>, std::unordered_multimap<std::string, Entry*>> wanted;
  for (Entry& entry : *entries) {
    if (entry.rejected || !Names(entry.locator)) continue;
    ARROW_ASSIGN_OR_RAISE(const Place place, Find(entry.locator));
    wanted[place.bucket].emplace(place.key, &entry);
    entry.rejected = Rejection{Reason::kMissing, "it is not in the bucket", std::nullopt};
  }
  for (auto& [bucket, keys] : wanted) {
    const auto take = [&keys = keys](const std::vector<Object>& objects) {
      for (const Object& object : objects) {
        const auto [begin, end] = keys.equal_range(object.key);
        for (auto it = begin; it != end; ++it) {
          it->second->size = object.size;
          it->second->version = object.version;
          it->second->rejected.reset();
        }
      }
      return Status::OK();
    };
    ARROW_RETURN_NOT_OK(bucket->List(CommonFolder(keys), take, stop));
  }
  return Status::OK();
}

Result<Outcome<std::vector<uint8_t>>> NamedObjects::Read(const Entry& entry,
                                                         std::stop_token stop) const {
  ARROW_ASSIGN_OR_RAISE(const Place place, Find(entry.locator));
  return place.bucket->Read({place.key, entry.size, entry.version}, 0, entry.size, std::move(stop));
}

}  // namespace pomona::io
