#include "pomona/io/arrow_bucket.h"

#include <chrono>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/filesystem/azurefs.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/gcsfs.h>
#include <arrow/io/interfaces.h>

#include "pomona/base/environment.h"
#include "pomona/base/text.h"

namespace pomona::io {
namespace {

constexpr double kRetrySeconds = 30;

// The first line of what the library says, which goes on with times and request numbers.
Status Told(const Status& error, const std::string& context) {
  return WithContext(
      error.ok() ? error : error.WithMessage(error.message().substr(0, error.message().find('\n'))),
      context);
}

// "http://host:port" -> "http", "host:port".
struct Endpoint {
  std::string scheme;
  std::string authority;
};
Result<Endpoint> ParseEndpoint(const std::string& url) {
  for (const std::string scheme : {"http", "https"}) {
    const std::string start = scheme + "://";
    if (!url.starts_with(start)) continue;
    std::string authority = url.substr(start.size());
    while (authority.ends_with('/')) authority.pop_back();
    return Endpoint{scheme, authority};
  }
  return UsageError("the endpoint " + Quoted(url) +
                    " is no URL: it begins with http:// or https://");
}

Result<std::shared_ptr<arrow::fs::FileSystem>> OpenGoogle(const BucketOptions& options) {
  auto gcs =
      options.anonymous ? arrow::fs::GcsOptions::Anonymous() : arrow::fs::GcsOptions::Defaults();
  gcs.retry_limit_seconds = kRetrySeconds;
  if (!options.endpoint.empty()) {
    ARROW_ASSIGN_OR_RAISE(const Endpoint endpoint, ParseEndpoint(options.endpoint));
    gcs.scheme = endpoint.scheme;
    gcs.endpoint_override = endpoint.authority;
  }
  return arrow::fs::GcsFileSystem::Make(gcs);
}

// "container@account.dfs.core.windows.net" -> the account; else AZURE_STORAGE_ACCOUNT.
Result<std::string> AzureAccount(const std::string& bucket) {
  const size_t at = bucket.find('@');
  std::string account = at == std::string::npos
                            ? Env("AZURE_STORAGE_ACCOUNT")
                            : bucket.substr(at + 1, bucket.find('.', at) - at - 1);
  if (!account.empty()) return account;
  return UsageError("az://" + bucket +
                    " names no storage account: set AZURE_STORAGE_ACCOUNT, or write "
                    "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER");
}

Result<std::shared_ptr<arrow::fs::FileSystem>> OpenAzure(const std::string& bucket,
                                                         const BucketOptions& options) {
  arrow::fs::AzureOptions azure;
  ARROW_ASSIGN_OR_RAISE(azure.account_name, AzureAccount(bucket));
  if (!options.endpoint.empty()) {
    ARROW_ASSIGN_OR_RAISE(const Endpoint endpoint, ParseEndpoint(options.endpoint));
    azure.blob_storage_scheme = azure.dfs_storage_scheme = endpoint.scheme;
    azure.blob_storage_authority = azure.dfs_storage_authority = endpoint.authority;
  }
  if (options.anonymous) {
    ARROW_RETURN_NOT_OK(azure.ConfigureAnonymousCredential());
  } else if (const std::string key = Env("AZURE_STORAGE_KEY"); !key.empty()) {
    ARROW_RETURN_NOT_OK(azure.ConfigureAccountKeyCredential(key));
  } else if (const std::string sas = Env("AZURE_STORAGE_SAS_TOKEN"); !sas.empty()) {
    ARROW_RETURN_NOT_OK(azure.ConfigureSASCredential(sas));
  } else {
    ARROW_RETURN_NOT_OK(azure.ConfigureDefaultCredential());
  }
  return arrow::fs::AzureFileSystem::Make(azure);
}

class ArrowWriter : public ObjectWriter {
 public:
  ArrowWriter(Bucket* bucket, arrow::fs::FileSystem* files, std::string path)
      : bucket_(bucket), files_(files), path_(std::move(path)) {}

  Status Write(std::string_view bytes) override {
    pending_ += bytes;
    return Status::OK();
  }

  // Only now, as a stream of Arrow's that is closed or destroyed early may leave half an object.
  Status Finish() override {
    const auto write = [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto stream, files_->OpenOutputStream(path_));
      Status written = stream->Write(pending_);
      if (written.ok()) written = stream->Close();
      if (!written.ok()) (void)stream->Abort();
      return written;
    };
    return Told(write(), "cannot write " + bucket_->uri());
  }

 private:
  Bucket* const bucket_;
  arrow::fs::FileSystem* const files_;
  const std::string path_;
  std::string pending_;
};

class ArrowBucket : public Bucket {
 public:
  ArrowBucket(std::string uri, std::string container, std::shared_ptr<arrow::fs::FileSystem> files)
      : uri_(std::move(uri)), container_(std::move(container)), files_(std::move(files)) {}

  const std::string& uri() const override { return uri_; }

  Status List(const std::string& prefix, const TakeObjects& take,
              std::stop_token stop) const override {
    arrow::fs::FileSelector below;
    below.base_dir = Path(prefix.substr(0, prefix.find_last_not_of('/') + 1));
    below.recursive = true;
    below.allow_not_found = true;
    const auto infos = files_->GetFileInfo(below);
    if (!infos.ok()) return Told(infos.status(), "cannot list " + uri_);
    if (stop.stop_requested()) return Interrupted("stopped while listing");
    std::vector<Object> objects;
    for (const auto& info : *infos) {
      if (info.IsFile()) objects.push_back(ObjectOf(info));
    }
    return take(std::move(objects));
  }

  Result<std::optional<Object>> Find(const std::string& key) const override {
    const auto info = files_->GetFileInfo(Path(key));
    if (!info.ok()) return Told(info.status(), "cannot look for " + uri_ + "/" + key);
    return info->IsFile() ? std::optional(ObjectOf(*info)) : std::nullopt;
  }

  Result<Outcome<std::vector<uint8_t>>> Read(const Object& object, int64_t offset, int64_t length,
                                             std::stop_token) const override {
    using Bytes = Outcome<std::vector<uint8_t>>;
    std::vector<uint8_t> bytes(static_cast<size_t>(length));
    arrow::fs::FileInfo info(Path(object.key), arrow::fs::FileType::File);
    info.set_size(object.size);  // given, so that it is not asked for
    const auto read = [&]() -> Result<int64_t> {
      ARROW_ASSIGN_OR_RAISE(const auto file, files_->OpenInputFile(info));
      return file->ReadAt(offset, length, bytes.data());
    };
    const auto n = read();
    if (!n.ok()) {
      const auto now = Find(object.key);
      if (now.ok() && !*now) {
        return Bytes(Rejection{Reason::kMissing, "it is no longer in the bucket", {}});
      }
      return Told(n.status(), "cannot read " + uri_ + "/" + ToUtf8(object.key));
    }
    if (*n == length) return Bytes(std::move(bytes));
    return Bytes(Rejection{Reason::kChanged, "it is no longer as long as it was listed", {}});
  }

  Result<std::optional<Content>> Get(const std::string& key) const override {
    ARROW_ASSIGN_OR_RAISE(const auto object, Find(key));
    if (!object) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(auto bytes, Read(*object, 0, object->size, {}));
    if (!bytes.ok()) return Status::IOError(uri_, "/", key, ": ", bytes.rejection().detail);
    return Content{*object, std::move(bytes).value()};
  }

  Result<std::unique_ptr<ObjectWriter>> Create(const std::string& key) override {
    return std::make_unique<ArrowWriter>(this, files_.get(), Path(key));
  }

  Result<bool> PutIf(const std::string& key, std::string_view bytes,
                     const std::optional<std::string>& before) override {
    ARROW_ASSIGN_OR_RAISE(const auto object, Find(key));
    if (before != (object ? std::optional(object->version) : std::nullopt)) return false;
    ARROW_ASSIGN_OR_RAISE(const auto writer, Create(key));
    ARROW_RETURN_NOT_OK(writer->Write(bytes));
    ARROW_RETURN_NOT_OK(writer->Finish());
    return true;
  }

  bool conditional() const override { return false; }

  Status Delete(const std::string& key) override {
    ARROW_ASSIGN_OR_RAISE(const auto object, Find(key));
    if (!object) return Status::OK();
    return Told(files_->DeleteFile(Path(key)), "cannot delete " + uri_ + "/" + key);
  }

  Result<std::vector<Upload>> ListUploads(const std::string&) const override {
    return std::vector<Upload>();
  }
  Status Abort(const Upload&) override { return Status::OK(); }

 private:
  std::string Path(const std::string& key) const {
    return key.empty() ? container_ : container_ + "/" + key;
  }

  Object ObjectOf(const arrow::fs::FileInfo& info) const {
    const auto changed =
        std::chrono::duration_cast<std::chrono::nanoseconds>(info.mtime().time_since_epoch());
    return {info.path().substr(container_.size() + 1), info.size(),
            std::to_string(changed.count())};
  }

  const std::string uri_;
  const std::string container_;
  const std::shared_ptr<arrow::fs::FileSystem> files_;
};

}  // namespace

Result<std::shared_ptr<Bucket>> OpenArrowBucket(const BucketUri& uri,
                                                const BucketOptions& options) {
  const bool google = uri.scheme == "gs" || uri.scheme == "gcs";
  ARROW_ASSIGN_OR_RAISE(auto files, google ? OpenGoogle(options) : OpenAzure(uri.bucket, options));
  return std::make_shared<ArrowBucket>(uri.Root(), uri.bucket.substr(0, uri.bucket.find('@')),
                                       std::move(files));
}

}  // namespace pomona::io
