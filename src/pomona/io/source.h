// Where images come from: a folder, a tar file, Parquet files, a CSV manifest; on the disk or in a
// bucket. A Source lists once, then gives
// the bytes of one image at a time; it knows nothing of pixels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pomona/base/progress.h"
#include "pomona/base/rejection.h"
#include "pomona/base/status.h"
#include "pomona/io/bucket.h"

namespace pomona::io {

// One image of a source.
struct Entry {
  std::string path;     // relative to the source, '/' between folders, valid UTF-8 (bytes that are
                        // not become \xHH); unique but for kDuplicate entries
  std::string locator;  // how its source finds it again; for that source only
  std::optional<std::string> label;   // none with --label none, or where a manifest leaves it empty
  int64_t size = 0;                   // bytes
  std::string version;                // changes when the image does: mtime in ns, or an ETag
  std::optional<Rejection> rejected;  // set when the listing alone tells that it cannot be read
};

struct Listing {
  std::vector<Entry> entries;  // sorted by path, bytewise
  int64_t ignored = 0;         // files passed over because their name is not an image's
};

struct SourceOptions {
  // "folder": the image's parent folder (an image at the top of the source gets the source's own
  // name). "none": no label. Anything else: the name of a CSV manifest's column. Empty: "folder",
  // or for a CSV manifest its column "label" (no label if it has none).
  std::string label;
  BucketOptions bucket = {};  // for a source in a bucket
};

class Source {
 public:
  virtual ~Source() = default;

  // The source as the manifest records it: an absolute path or a URI.
  virtual const std::string& uri() const = 0;

  // How labels are made, as the manifest records it: "folder", "none", or the manifest's column.
  virtual std::string label_rule() const = 0;

  // Every image by name, readable or not. NothingToRead if the source holds no image at all;
  // Cancelled when stopped.
  virtual Result<Listing> List(const Observer& observer, std::stop_token stop) const = 0;

  // The whole file behind `entry`, or why not: kChanged if it is no longer the size and version
  // that were listed, before or after reading. Thread-safe. Never reads more than `max_bytes`
  // (kTooLarge). An error says that the source as a whole fails, which tells nothing about the
  // image: no network, credentials that expired. Cancelled when stopped.
  virtual Result<Outcome<std::vector<uint8_t>>> Read(const Entry& entry, int64_t max_bytes,
                                                     std::stop_token stop) const = 0;
  // The same for callers that cannot be stopped; an error is kUnreadable.
  Outcome<std::vector<uint8_t>> Read(const Entry& entry, int64_t max_bytes) const;

  // Whether a read waits for a network: then many should be under way at a time (ReadAhead).
  virtual bool remote() const { return false; }
};

// Opens what `uri` names, on the disk or in a bucket: a folder, a .tar file, a .parquet file or
// folder of such files (columns "path" and "content"), or a .csv manifest (header row; column
// "path", relative to the manifest or absolute). NothingToRead if there is no
// such thing; UsageError if it is something else (a .tar.gz, a single image, a label column that
// does not exist).
Result<std::unique_ptr<Source>> OpenSource(const std::string& uri, const SourceOptions& options);

// Whether a file of this name is listed as an image: .jpg .jpeg .jpe .png .webp, and the formats
// that are then rejected as unsupported (.gif .bmp .tif .tiff .heic .avif .jp2 .jxl ...). Letter
// case does not matter; names that start with a dot are not.
bool HasImageName(const std::string& file_name);

}  // namespace pomona::io
