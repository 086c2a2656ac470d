// What every source does with the files it comes across.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "pomona/io/source.h"

namespace pomona::io {

enum class Duplicates { kFirstWins, kLastWins };

// Collects a Listing: counts, reports progress and stops on request while files come in; sorts,
// finds duplicates and says why there is nothing to read at the end.
class ListingBuilder {
 public:
  ListingBuilder(const Observer& observer, std::stop_token stop)
      : observer_(observer), stop_(std::move(stop)) {}

  // Both: Cancelled when stopped.
  Status Add(Entry entry);
  Status Ignore(std::string_view file_name);  // its own name, without folders

  std::vector<Entry>& entries() { return listing_.entries; }

  // Of entries with the same path, in the order of Add, all but one become kDuplicate.
  // NothingToRead without entries, naming `source` and what was seen there.
  Result<Listing> Finish(const std::string& source, Duplicates rule);

 private:
  Status Count();
  std::string DescribeIgnored() const;

  const Observer& observer_;
  std::stop_token stop_;
  Listing listing_;
  std::map<std::string, int64_t> ignored_by_kind_;
  int64_t seen_ = 0;
};

// Whether labels are the names of folders; false: there are none. UsageError if `options` name a
// column, which `source` has not.
Result<bool> LabelsAreFolders(const SourceOptions& options, const std::string& source);

// The name of the folder that `path` lies in, as UTF-8; `top` if there is none above it.
std::string ParentName(std::string_view path, const std::string& top);

// The last component of `path`: "b" of "/a/b".
std::string_view BaseName(std::string_view path);

// In the Unix sense: `name` starts with a dot (but is not one of "." and "..").
bool IsHidden(std::string_view name);

// Whether `path` or a folder it lies in is hidden.
bool AnyHidden(std::string_view path);

}  // namespace pomona::io
