// Images in an uncompressed tar file, on the disk or in a bucket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pomona/io/range_file.h"
#include "pomona/io/source.h"

namespace pomona::io {

// ustar, pax and GNU tars, also several one after the other, listed by libarchive; members are then
// read where they lie, in any order. Of members with the same name the last counts, as it does for
// tar. A hard link is the member it points to, a symbolic link is rejected. Where a tar is cut off
// or damaged, what could be listed is listed and a warning says so.
//
// Entry::version is the member's time of change, or the tar's own for members that have none (0, as
// reproducible tars are made). A tar replaced since it was listed gives kChanged.
class TarSource : public Source {
 public:
  // UsageError if the file is compressed or not a tar.
  static Result<std::unique_ptr<Source>> Open(std::shared_ptr<const RangeFile> file,
                                              const SourceOptions& options);

  const std::string& uri() const override { return file_->uri(); }
  std::string label_rule() const override { return labels_ ? "folder" : "none"; }
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;
  bool remote() const override { return file_->remote(); }

 private:
  TarSource(std::shared_ptr<const RangeFile> file, bool labels)
      : file_(std::move(file)), labels_(labels) {}

  const std::shared_ptr<const RangeFile> file_;
  const bool labels_;
};

}  // namespace pomona::io
