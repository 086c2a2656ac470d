// Images in a folder and the folders below it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pomona/io/source.h"

namespace pomona::io {

// Links to files and folders are followed; a folder that leads back into itself is passed over with
// a warning. Names that start with a dot are ignored, folders
// as a whole, and so are results folders (kResultsMarker). A folder that cannot be
// listed is warned about and is itself an entry, rejected, so that what it may hold is not
// forgotten. Sizes, versions and the order are those of the listing; nothing is opened by it.
class FolderSource : public Source {
 public:
  // The existing folder at the absolute `path`.
  static Result<std::unique_ptr<Source>> Open(const std::string& path,
                                              const SourceOptions& options);

  const std::string& uri() const override { return uri_; }
  std::string label_rule() const override { return labels_ ? "folder" : "none"; }
  Result<Listing> List(const Observer& observer, std::stop_token stop) const override;
  using Source::Read;
  Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                             std::stop_token stop) const override;

 private:
  FolderSource(const std::string& path, bool labels);

  std::string path_;  // raw bytes
  std::string uri_;   // the same as UTF-8
  bool labels_;
};

}  // namespace pomona::io
