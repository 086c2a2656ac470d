// Images that a CSV file names, one a row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pomona/io/source.h"

namespace pomona::io {

// RFC 4180 with a header row, read by Arrow. A named file is an image whatever its extension; one
// that is not there is an entry, rejected. Entry::path is the cell as it stands.
class CsvSource : public Source {
 public:
  // The existing file at the absolute `path`.
  static Result<std::unique_ptr<Source>> Open(const std::string& path,
                                              const SourceOptions& options);

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override;
  // Invalid, with the row's number, where rows have another number of cells than the header.
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;

 private:
  enum class Labels { kNone, kFolder, kColumn };

  explicit CsvSource(const std::string& path);
  Status ChooseLabels(const std::vector<std::string>& columns, const std::string& asked);
  Entry MakeEntry(int folder_fd, std::string_view path_cell, std::string_view label_cell) const;

  std::string path_;    // raw bytes
  std::string folder_;  // that relative paths start from
  std::string uri_;     // path_ as UTF-8
  Labels labels_ = Labels::kNone;
  std::string label_column_;
};

}  // namespace pomona::io
