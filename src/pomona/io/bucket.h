// Object stores: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pomona/base/rejection.h"
#include "pomona/base/status.h"

namespace pomona::io {

// What flags say about a store; what is empty comes from the environment. Holds no secret: those
// come from the store's usual chain only (AwsCredentialChain; Google's application default
// credentials; Azure's default credential).
struct BucketOptions {
  std::string endpoint;  // URL of the service; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL
  std::string region;    // S3; else AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1
  std::string ca_file;   // certificates to trust; else AWS_CA_BUNDLE, the system's
  bool anonymous = false;
  bool requester_pays = false;
  bool virtual_hosted = false;  // with an endpoint: the bucket is part of the host's name
};

// s3://bucket/key, gs://bucket/key, az://container/key or abfs[s]://container@account.../key.
struct BucketUri {
  std::string scheme;
  std::string bucket;
  std::string key;  // without slashes at either end; raw, not percent-encoded

  // "s3://bucket", without a key.
  std::string Root() const { return scheme + "://" + bucket; }
};

// Whether `uri` has the scheme of an object store.
bool IsBucketUri(const std::string& uri);
// UsageError if it names no bucket.
Result<BucketUri> ParseBucketUri(const std::string& uri);

struct Object {
  std::string key;
  int64_t size = 0;
  std::string version;  // the ETag; the time of change in ns where the library gives no ETag
};

// An upload that was begun and neither finished nor aborted.
struct Upload {
  std::string key;
  std::string id;
};

// A part of an object that is being written; what destroying it before Finish sent is aborted.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status Write(std::string_view bytes) = 0;
  virtual Status Finish() = 0;  // the object is there now, whole
};

// Thread-safe. Failures that pass (timeouts, resets, 5xx, SlowDown) are tried again with growing,
// random delays before they are errors; an error is about the store as a whole and says what to do.
class Bucket {
 public:
  virtual ~Bucket() = default;

  // "s3://bucket".
  virtual const std::string& uri() const = 0;

  // Every object whose key starts with `prefix`, in no order; `take` is called by one thread at a
  // time, and listing ends with its error.
  using TakeObjects = std::function<Status(std::vector<Object>)>;
  virtual Status List(const std::string& prefix, const TakeObjects& take,
                      std::stop_token stop) const = 0;

  // The object, or nothing if there is none.
  virtual Result<std::optional<Object>> Find(const std::string& key) const = 0;

  // `length` bytes from `offset`: kMissing, kChanged if its version is another now, kUnreadable if
  // this object is refused. One request.
  virtual Result<Outcome<std::vector<uint8_t>>> Read(const Object& object, int64_t offset,
                                                     int64_t length,
                                                     std::stop_token stop) const = 0;

  // An object and its bytes, or nothing if there is none. One request.
  struct Content {
    Object object;
    std::vector<uint8_t> bytes;
  };
  virtual Result<std::optional<Content>> Get(const std::string& key) const = 0;

  virtual Result<std::unique_ptr<ObjectWriter>> Create(const std::string& key) = 0;

  // Writes the object if it still has version `before` (nothing: if there is none): false if not.
  // Of any number of writers at a time one succeeds, provided the store has conditional writes.
  virtual Result<bool> PutIf(const std::string& key, std::string_view bytes,
                             const std::optional<std::string>& before) = 0;

  // Whether PutIf asks the store itself; if not, it looks and then writes.
  virtual bool conditional() const = 0;

  // Deleting what is not there is no error.
  virtual Status Delete(const std::string& key) = 0;

  virtual Result<std::vector<Upload>> ListUploads(const std::string& prefix) const = 0;
  virtual Status Abort(const Upload& upload) = 0;
};

// Opens the bucket of `uri`; asks nobody yet but for credentials.
Result<std::shared_ptr<Bucket>> OpenBucket(const BucketUri& uri, const BucketOptions& options);

}  // namespace pomona::io
