// A bucket of Google Cloud Storage or a container of Azure Blob Storage, through Arrow.
#pragma once

#include <memory>

#include "pomona/io/bucket.h"

namespace pomona::io {

// Arrow gives neither ETags nor conditional requests. So a version is the time of change in ns; an
// object that is replaced by one of the same size between listing and reading is not noticed; and
// PutIf looks and then writes: two writers that do so within the same moment may both be told that
// they won, and the last one did. Unfinished uploads are the store's to remove.
Result<std::shared_ptr<Bucket>> OpenArrowBucket(const BucketUri& uri, const BucketOptions& options);

}  // namespace pomona::io
