// A bucket of Amazon S3, or of what speaks its protocol.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pomona/io/bucket.h"
#include "pomona/io/s3_client.h"

namespace pomona::io {

// Versions are ETags, and reads ask for the ETag that was listed (If-Match), so a replaced object
// is never taken for the one that was listed. Writes of more than kSinglePutBytes are multipart
// uploads.
class S3Bucket : public Bucket {
 public:
  explicit S3Bucket(std::unique_ptr<S3Client> client) : client_(std::move(client)) {}

  const std::string& uri() const override { return client_->uri(); }
  Status List(const std::string& prefix, const TakeObjects& take,
              std::stop_token stop) const override;
  Result<std::optional<Object>> Find(const std::string& key) const override;
  Result<Outcome<std::vector<uint8_t>>> Read(const Object& object, int64_t offset, int64_t length,
                                             std::stop_token stop) const override;
  Result<std::optional<Content>> Get(const std::string& key) const override;
  Result<std::unique_ptr<ObjectWriter>> Create(const std::string& key) override;
  Result<bool> PutIf(const std::string& key, std::string_view bytes,
                     const std::optional<std::string>& before) override;
  bool conditional() const override { return true; }
  Status Delete(const std::string& key) override;
  Result<std::vector<Upload>> ListUploads(const std::string& prefix) const override;
  Status Abort(const Upload& upload) override;

 private:
  const std::shared_ptr<S3Client> client_;
};

}  // namespace pomona::io
