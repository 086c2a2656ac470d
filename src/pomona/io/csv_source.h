// Images that a CSV file names, one a row.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pomona/io/named_objects.h"
#include "pomona/io/range_file.h"
#include "pomona/io/source.h"

namespace pomona::io {

// RFC 4180 with a header row, read by Arrow. A named file is an image whatever its extension; one
// that is not there is an entry, rejected. Entry::path is the cell as it stands. Names are relative
// to the manifest or absolute; s3://, gs:// and az:// URIs may stand beside files of the disk.
class CsvSource : public Source {
 public:
  // The manifest at the absolute `path`.
  static Result<std::unique_ptr<Source>> Open(const std::string& path,
                                              const SourceOptions& options);
  // The manifest `key` of `bucket`.
  static Result<std::unique_ptr<Source>> Open(std::shared_ptr<const Bucket> bucket,
                                              const std::string& key, const SourceOptions& options);

  const std::string& uri() const override { return file_->uri(); }
  std::string label_rule() const override;
  // Invalid, with the row's number, where rows have another number of cells than the header.
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;
  bool remote() const override { return remote_; }

 private:
  enum class Labels { kNone, kFolder, kColumn };

  CsvSource(std::shared_ptr<const RangeFile> file, std::string folder,
            std::unique_ptr<NamedObjects> objects)
      : file_(std::move(file)), folder_(std::move(folder)), objects_(std::move(objects)) {}
  static Result<std::unique_ptr<Source>> Finish(std::unique_ptr<CsvSource> source,
                                                const SourceOptions& options);
  Status ChooseLabels(const std::vector<std::string>& columns, const std::string& asked);
  Entry MakeEntry(int folder_fd, std::string_view path_cell, std::string_view label_cell) const;

  const std::shared_ptr<const RangeFile> file_;
  const std::string folder_;  // that relative names start from, with its slash; raw bytes
  const std::unique_ptr<NamedObjects> objects_;
  mutable std::atomic<bool> remote_ = false;  // whether the rows listed last name objects
  Labels labels_ = Labels::kNone;
  std::string label_column_;
};

}  // namespace pomona::io
