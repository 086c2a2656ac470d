// Images in an uncompressed tar file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pomona/io/file.h"
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
  // The existing file at the absolute `path`. UsageError if it is compressed or not a tar.
  static Result<std::unique_ptr<Source>> Open(const std::string& path,
                                              const SourceOptions& options);

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override { return labels_ ? "folder" : "none"; }
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;

 private:
  TarSource(const std::string& path, Fd fd, bool labels);

  std::string path_;  // raw bytes
  std::string uri_;   // the same as UTF-8
  Fd fd_;             // only ever read with pread: it has no position that threads could share
  bool labels_;
};

}  // namespace pomona::io
