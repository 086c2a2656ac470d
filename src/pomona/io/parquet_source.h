// Images in a binary column of Parquet files, one a row.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "pomona/io/listing.h"
#include "pomona/io/range_file.h"
#include "pomona/io/source.h"

namespace pomona::io {

// What Spark's `binaryFile` format writes: columns `path` and `content`, and, where they are there,
// `length` and `modificationTime`. Every row is an image, whatever its name; its path is the cell
// as it stands, its version the time of modification, or without one the file's version. Files are
// read a row group at a time. Images are read by path: where rows are not in that order, a file
// larger than kCacheBytes has its row groups read again and again, so sort it by path first.
class ParquetSource : public Source {
 public:
  static constexpr int64_t kCacheBytes = int64_t{1} << 30;

  // `files` are those of one data set, at `uri`; at least one. UsageError without the columns.
  static Result<std::unique_ptr<Source>> Open(std::vector<std::shared_ptr<const RangeFile>> files,
                                              const std::string& uri, const SourceOptions& options);
  ~ParquetSource() override;

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override;
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;
  bool remote() const override { return files_.front()->remote(); }

 private:
  struct Place;
  struct Group;
  using GroupKey = std::pair<size_t, int>;  // which file, which of its row groups

  ParquetSource(std::vector<std::shared_ptr<const RangeFile>> files, const std::string& uri);
  Status ListFile(size_t file, ListingBuilder* out) const;
  std::shared_ptr<Group> FindGroup(const GroupKey& key) const;
  void Account(const GroupKey& key, int64_t bytes) const;
  Status Load(const Place& place, Group* group) const;

  const std::vector<std::shared_ptr<const RangeFile>> files_;
  const std::string uri_;
  std::string label_rule_;  // "folder", "none", or a column

  mutable std::mutex mutex_;
  mutable std::map<GroupKey, std::shared_ptr<Group>> groups_;
  mutable std::list<std::pair<GroupKey, int64_t>> loaded_;  // with their bytes, oldest first
  mutable int64_t cached_bytes_ = 0;
};

}  // namespace pomona::io
