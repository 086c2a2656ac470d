#include "pomona/base/hash.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include <openssl/evp.h>
#include <xxhash.h>

namespace pomona {
namespace {

using EvpContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

std::string Hex(const unsigned char* bytes, size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

// Null where OpenSSL refuses `algorithm`, as it does MD5 in FIPS mode.
EvpContext StartDigest(const EVP_MD* algorithm) {
  EvpContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (context && EVP_DigestInit_ex(context.get(), algorithm, nullptr) != 1) context.reset();
  return context;
}

std::string FinishDigest(EVP_MD_CTX* context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  EVP_DigestFinal_ex(context, digest, &n);
  return Hex(digest, n);
}

Result<std::string> DigestFile(const std::filesystem::path& path, const EVP_MD* algorithm) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::IOError("cannot read ", path.string(), ": ", std::strerror(errno));
  EvpContext context = StartDigest(algorithm);
  if (!context) {
    return Status::NotImplemented("cannot check ", path.string(),
                                  ": this machine's OpenSSL has no ", EVP_MD_get0_name(algorithm));
  }
  std::vector<char> block(1 << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    EVP_DigestUpdate(context.get(), block.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) return Status::IOError("cannot read ", path.string(), ": ", std::strerror(errno));
  return FinishDigest(context.get());
}

}  // namespace

std::string Xxh3Hex(std::span<const uint8_t> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return Hex(canonical.digest, sizeof(canonical.digest));
}

std::string Xxh3Hex(std::string_view text) {
  return Xxh3Hex(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

std::string Sha256Hex(std::span<const uint8_t> bytes) {
  EvpContext context = StartDigest(EVP_sha256());
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  return FinishDigest(context.get());
}

Result<std::string> Sha256File(const std::filesystem::path& path) {
  return DigestFile(path, EVP_sha256());
}

Result<std::string> Md5File(const std::filesystem::path& path) {
  return DigestFile(path, EVP_md5());
}

}  // namespace pomona
