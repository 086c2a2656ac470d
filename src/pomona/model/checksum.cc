#include "pomona/model/checksum.h"

#include <fstream>
#include <vector>

#include "pomona/base/hash.h"

namespace pomona::model {
namespace {

namespace fs = std::filesystem;

fs::path PinOf(const fs::path& file) { return file.string() + ".sha256"; }

Status Append(const fs::path& file, std::vector<uint8_t>* bytes) {
  std::error_code error;
  const uintmax_t size = fs::file_size(file, error);
  if (error) return Status::IOError("cannot read ", file.string(), ": ", error.message());
  const size_t before = bytes->size();
  bytes->resize(before + size);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes->data() + before), static_cast<std::streamsize>(size));
  return in ? Status::OK() : Status::IOError("cannot read ", file.string());
}

Status Differs(const fs::path& file, const std::string& kind, const std::string& found,
               const std::string& wanted, const std::string& who) {
  return Status::Invalid(file.string(), " is not the file it should be: its ", kind, " is ", found,
                         ", but ", who, " ", wanted);
}

}  // namespace

Result<std::string> HashWeights(const fs::path& file) {
  std::error_code error;
  if (fs::exists(file, error) && !fs::is_regular_file(file, error)) {
    return Status::IOError(file.string(), " is not a file: weights are read from a regular file");
  }
  if (file.extension() != ".xml") return Sha256File(file);
  std::vector<uint8_t> both;
  ARROW_RETURN_NOT_OK(Append(file, &both));
  ARROW_RETURN_NOT_OK(Append(fs::path(file).replace_extension(".bin"), &both));
  return Sha256Hex(both);
}

Status CheckStated(const Weights& stated, const fs::path& file, const std::string& sha256) {
  if (!stated.sha256.empty() && sha256 != stated.sha256) {
    return Differs(file, "SHA-256", sha256, stated.sha256, "the model card states");
  }
  if (!sha256.starts_with(stated.sha256_prefix)) {
    return Differs(file, "SHA-256", sha256, stated.sha256_prefix + "...",
                   "the publisher states that it starts with");
  }
  if (!stated.md5.empty()) {
    ARROW_ASSIGN_OR_RAISE(const std::string md5, Md5File(file));
    if (md5 != stated.md5) return Differs(file, "MD5", md5, stated.md5, "the publisher states");
  }
  return Status::OK();
}

Status CheckPinned(const fs::path& file, const std::string& sha256) {
  std::string pinned;
  if (std::ifstream in(PinOf(file)); in && in >> pinned && pinned != sha256) {
    return Differs(file, "SHA-256", sha256, pinned,
                   "when first downloaded it was (" + PinOf(file).string() + ")");
  }
  return Status::OK();
}

Status PinWeights(const fs::path& file, const std::string& sha256) {
  std::error_code error;
  if (fs::exists(PinOf(file), error)) return CheckPinned(file, sha256);
  std::ofstream out(PinOf(file), std::ios::binary | std::ios::trunc);
  out << sha256 << "  " << file.filename().string() << "\n";
  out.close();
  return out ? Status::OK() : Status::IOError("cannot write ", PinOf(file).string());
}

}  // namespace pomona::model
