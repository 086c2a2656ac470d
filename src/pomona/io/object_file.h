// An object as Arrow's readers want files.
#pragma once

#include <memory>

#include <arrow/io/interfaces.h>

#include "pomona/io/bucket.h"

namespace pomona::io {

// Each ReadAt is one request, so read large pieces. Fails if the object changes meanwhile.
std::shared_ptr<arrow::io::RandomAccessFile> OpenObject(std::shared_ptr<const Bucket> bucket,
                                                        Object object);

}  // namespace pomona::io
