// Bytes in memory where the code under test wants a file.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pomona/io/range_file.h"

namespace pomona::fuzz {

// For readers of many ranges.
class MemoryRange : public io::RangeFile {
 public:
  explicit MemoryRange(std::span<const uint8_t> bytes) : RangeFile("input"), bytes_(bytes) {}

  bool remote() const override { return false; }
  Result<io::FileId> Identify() const override {
    return io::FileId{static_cast<int64_t>(bytes_.size()), "1"};
  }
  Result<Outcome<std::vector<uint8_t>>> Read(const io::FileId&, int64_t offset, int64_t length,
                                             std::stop_token) const override {
    const auto size = static_cast<int64_t>(bytes_.size());
    if (offset < 0 || length < 0) std::abort();  // whoever reads must have checked
    if (offset > size || length > size - offset) {
      return Outcome<std::vector<uint8_t>>(Rejection{Reason::kUnreadable, "beyond the end", {}});
    }
    const auto range = bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(length));
    return Outcome<std::vector<uint8_t>>(std::vector<uint8_t>(range.begin(), range.end()));
  }

 private:
  std::span<const uint8_t> bytes_;
};

// For readers that open a path (memfd_create(2)).
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const uint8_t> bytes) : fd_(memfd_create("input", MFD_CLOEXEC)) {
    const auto size = static_cast<ssize_t>(bytes.size());
    if (fd_ < 0 || write(fd_, bytes.data(), bytes.size()) != size) std::abort();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace pomona::fuzz
