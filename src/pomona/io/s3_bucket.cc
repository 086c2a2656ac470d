#include "pomona/io/s3_bucket.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "pomona/base/random.h"
#include "pomona/base/text.h"

namespace pomona::io {
namespace {

constexpr size_t kSinglePutBytes = 16 << 20;  // and of each piece of a multipart upload
constexpr int kListingThreads = 32;
constexpr int kSplitDepth = 6;     // folders in folders that are listed apart
constexpr size_t kFewFolders = 8;  // as few are looked into for folders of their own
constexpr char kWriterHeader[] = "x-amz-meta-pomona-writer";
constexpr int kWriterDigits = 32;

Result<S3Answer> SendOk(S3Client* client, const S3Request& request, std::stop_token stop = {}) {
  ARROW_ASSIGN_OR_RAISE(S3Answer answer, client->Send(request, std::move(stop)));
  if (!answer.ok()) return client->Explain(request, answer);
  return answer;
}

// "bytes 0-0/1234" -> 1234.
int64_t TotalOf(const std::string& content_range) {
  const size_t slash = content_range.find('/');
  int64_t total = -1;
  if (slash != std::string::npos) {
    std::from_chars(content_range.data() + slash + 1, content_range.data() + content_range.size(),
                    total);
  }
  return total;
}

// Whether the XML of a listing came to its end, which a cut one may not when its length is wrong.
bool IsWholeResult(const S3Answer& answer) {
  const std::string_view text(reinterpret_cast<const char*>(answer.body.data()),
                              answer.body.size());
  return text.substr(0, text.find_last_not_of(" \r\n") + 1).ends_with("Result>");
}

// Whether a body has as many bytes as its Content-Range, "bytes 0-99/100", says.
bool HasItsRange(const S3Answer& answer) {
  const std::string range = answer.Header("content-range");
  int64_t begin = 0, end = 0;
  if (std::sscanf(range.c_str(), "bytes %" SCNd64 "-%" SCNd64, &begin, &end) != 2) return true;
  return std::ssize(answer.body) == end - begin + 1;
}

// Whether the object is what an attempt of ours wrote, whose answer was lost.
Result<bool> IsByWriter(S3Client* client, const std::string& key, const std::string& writer) {
  S3Request request;
  request.key = key;
  request.headers = {"Range: bytes=0-0"};
  ARROW_ASSIGN_OR_RAISE(S3Answer answer, client->Send(request, {}));
  if (answer.code == 416) {  // it is empty
    request.headers.clear();
    ARROW_ASSIGN_OR_RAISE(answer, client->Send(request, {}));
  }
  return answer.ok() && answer.Header(kWriterHeader) == writer;
}

// Lists the keys below a prefix: the folders in it apart, at the same time. What is one long page
// after the other has to be listed one after the other.
class Listing {
 public:
  Listing(S3Client* client, const Bucket::TakeObjects& take, std::stop_token stop)
      : client_(client), take_(take), outer_stop_(std::move(stop)) {}

  Status Run(const std::string& prefix) {
    const std::stop_callback forward(outer_stop_, [this] { stop_.request_stop(); });
    tasks_.push_back({prefix, 0});
    {
      std::vector<std::jthread> threads;
      for (int i = 1; i < kListingThreads; ++i) threads.emplace_back([this] { Work(); });
      Work();
    }
    return first_error_;
  }

 private:
  struct Task {
    std::string prefix;
    int depth;  // kSplitDepth: no folders are told apart any more
  };

  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !tasks_.empty() || busy_ == 0; });
      if (tasks_.empty()) break;
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      ++busy_;
      lock.unlock();
      const Status listed = ListOne(task);
      lock.lock();
      --busy_;
      if (!listed.ok() && first_error_.ok()) {
        first_error_ = listed;
        stop_.request_stop();
      }
      if (!first_error_.ok()) tasks_.clear();
      changed_.notify_all();
    }
  }

  Result<S3Listing> Page(const std::string& prefix, bool folders, const std::string& after) {
    S3Request request;
    request.query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}};
    if (folders) request.query["delimiter"] = "/";
    if (!after.empty()) request.query["continuation-token"] = after;
    request.is_whole = IsWholeResult;
    ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, stop_.get_token()));
    auto page = ParseS3Listing(answer.body);
    if (!page.ok()) return WithContext(page.status(), "cannot list " + client_->uri());
    return page;
  }

  Status ListOne(const Task& task) {
    if (task.depth < kSplitDepth) {
      ARROW_ASSIGN_OR_RAISE(S3Listing page, Page(task.prefix, true, ""));
      if (page.next.empty()) {
        Split(page.prefixes, task.depth);
        return Take(std::move(page));
      }
      // More than a page of folders: most hold little, and a request for each is too many.
    }
    std::string next;
    do {
      ARROW_ASSIGN_OR_RAISE(S3Listing page, Page(task.prefix, false, next));
      next = page.next;
      ARROW_RETURN_NOT_OK(Take(std::move(page)));
    } while (!next.empty());
    return Status::OK();
  }

  void Split(const std::vector<std::string>& prefixes, int depth) {
    const std::lock_guard lock(mutex_);
    if (!first_error_.ok()) return;
    const int below = prefixes.size() <= kFewFolders ? depth + 1 : kSplitDepth;
    for (const std::string& prefix : prefixes) tasks_.push_back({prefix, below});
    changed_.notify_all();
  }

  Status Take(S3Listing page) {
    const std::lock_guard lock(take_mutex_);
    return take_(std::move(page.objects));
  }

  S3Client* const client_;
  const Bucket::TakeObjects& take_;
  const std::stop_token outer_stop_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::mutex take_mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  int busy_ = 0;
  Status first_error_;
};

class S3Writer : public ObjectWriter {
 public:
  S3Writer(std::shared_ptr<S3Client> client, std::string key)
      : client_(std::move(client)), key_(std::move(key)) {}
  ~S3Writer() override {
    if (!upload_.empty()) (void)client_->Send(Request("DELETE", {{"uploadId", upload_}}, {}), {});
  }

  Status Write(std::string_view bytes) override {
    pending_ += bytes;
    while (pending_.size() > kSinglePutBytes) {
      ARROW_RETURN_NOT_OK(SendPiece(std::string_view(pending_).substr(0, kSinglePutBytes)));
      pending_.erase(0, kSinglePutBytes);
    }
    return Status::OK();
  }

  Status Finish() override {
    if (upload_.empty()) return SendOk(client_.get(), Request("PUT", {}, pending_)).status();
    ARROW_RETURN_NOT_OK(SendPiece(pending_));
    std::string list = "<CompleteMultipartUpload>";
    for (size_t i = 0; i < pieces_.size(); ++i) {
      list += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + pieces_[i] +
              "</ETag></Part>";
    }
    list += "</CompleteMultipartUpload>";
    const S3Request request = Request("POST", {{"uploadId", upload_}}, list);
    ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
    bool done = answer.ok();
    // The answer to an attempt that succeeded may have been lost; the upload is gone then.
    if (answer.code == 404) {
      ARROW_ASSIGN_OR_RAISE(done, IsByWriter(client_.get(), key_, writer_));
    }
    if (!done) return client_->Explain(request, answer);
    upload_.clear();
    return Status::OK();
  }

 private:
  S3Request Request(const std::string& method, std::map<std::string, std::string> query,
                    std::string_view body) const {
    S3Request request;
    request.method = method;
    request.key = key_;
    request.query = std::move(query);
    request.body = body;
    return request;
  }

  Status SendPiece(std::string_view bytes) {
    if (upload_.empty()) {
      S3Request begin = Request("POST", {{"uploads", ""}}, {});
      begin.headers = {kWriterHeader + (": " + writer_)};
      begin.is_whole = IsWholeResult;
      ARROW_ASSIGN_OR_RAISE(const S3Answer begun, SendOk(client_.get(), begin));
      ARROW_ASSIGN_OR_RAISE(upload_, ParseS3UploadId(begun.body));
    }
    const std::string number = std::to_string(pieces_.size() + 1);
    ARROW_ASSIGN_OR_RAISE(
        const S3Answer sent,
        SendOk(client_.get(),
               Request("PUT", {{"partNumber", number}, {"uploadId", upload_}}, bytes)));
    pieces_.push_back(sent.Header("etag"));
    return Status::OK();
  }

  const std::shared_ptr<S3Client> client_;
  const std::string key_;
  const std::string writer_ = RandomHex(kWriterDigits);
  std::string pending_;
  std::string upload_;               // "" before a multipart upload begins and after it ends
  std::vector<std::string> pieces_;  // their ETags
};

}  // namespace

Status S3Bucket::List(const std::string& prefix, const TakeObjects& take,
                      std::stop_token stop) const {
  return Listing(client_.get(), take, std::move(stop)).Run(prefix);
}

// A range of one byte rather than HEAD, whose refusals have no body that says why.
Result<std::optional<Object>> S3Bucket::Find(const std::string& key) const {
  S3Request request;
  request.key = key;
  request.headers = {"Range: bytes=0-0"};
  ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
  if (answer.code == 404) return std::nullopt;
  if (answer.code == 416) return Object{key, 0, answer.Header("etag")};
  if (!answer.ok()) return client_->Explain(request, answer);
  const int64_t total = TotalOf(answer.Header("content-range"));
  return Object{key, total < 0 ? static_cast<int64_t>(answer.body.size()) : total,
                answer.Header("etag")};
}

Result<Outcome<std::vector<uint8_t>>> S3Bucket::Read(const Object& object, int64_t offset,
                                                     int64_t length, std::stop_token stop) const {
  using Bytes = Outcome<std::vector<uint8_t>>;
  if (length == 0) return Bytes(std::vector<uint8_t>());
  S3Request request;
  request.key = object.key;
  request.max_answer_bytes = std::max<int64_t>(length, 64 << 10);  // or an error's XML
  request.headers = {"If-Match: " + object.version};
  if (offset != 0 || length != object.size) {
    request.headers.push_back("Range: bytes=" + std::to_string(offset) + "-" +
                              std::to_string(offset + length - 1));
  }
  request.is_whole = [length](const S3Answer& answer) { return std::ssize(answer.body) == length; };
  ARROW_ASSIGN_OR_RAISE(S3Answer answer, client_->Send(request, std::move(stop)));
  const auto reject = [](Reason reason, std::string detail) {
    return Bytes(Rejection{reason, std::move(detail), std::nullopt});
  };
  if (answer.code == 404) return reject(Reason::kMissing, "it is no longer in the bucket");
  if (answer.code == 412 || answer.code == 416) {
    return reject(Reason::kChanged, "changed after it was listed");
  }
  if (answer.error.code == "InvalidObjectState") {
    return reject(Reason::kUnreadable, "it is archived (Glacier): restore it first");
  }
  if (!answer.ok()) {
    return reject(Reason::kUnreadable, "the store refuses it (" + std::to_string(answer.code) +
                                           " " + answer.error.code + ")");
  }
  if (static_cast<int64_t>(answer.body.size()) != length) {
    return reject(Reason::kChanged, "it is no longer as long as it was listed");
  }
  return Bytes(std::move(answer.body));
}

Result<std::optional<Bucket::Content>> S3Bucket::Get(const std::string& key) const {
  S3Request request;
  request.key = key;
  request.headers = {"Range: bytes=0-"};  // so that the answer says how long it is meant to be
  request.is_whole = HasItsRange;
  ARROW_ASSIGN_OR_RAISE(S3Answer answer, client_->Send(request, {}));
  if (answer.code == 404) return std::nullopt;
  if (answer.code == 416) return Content{{key, 0, answer.Header("etag")}, {}};  // it is empty
  if (!answer.ok()) return client_->Explain(request, answer);
  const auto size = static_cast<int64_t>(answer.body.size());
  return Content{{key, size, answer.Header("etag")}, std::move(answer.body)};
}

Result<std::unique_ptr<ObjectWriter>> S3Bucket::Create(const std::string& key) {
  return std::make_unique<S3Writer>(client_, key);
}

Result<bool> S3Bucket::PutIf(const std::string& key, std::string_view bytes,
                             const std::optional<std::string>& before) {
  const std::string writer = RandomHex(kWriterDigits);
  S3Request request;
  request.method = "PUT";
  request.key = key;
  request.body = bytes;
  request.headers = {before ? "If-Match: " + *before : "If-None-Match: *",
                     kWriterHeader + (": " + writer)};
  ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
  if (answer.ok()) return true;
  const bool refused = answer.code == 412 || (answer.code == 404 && before);
  if (!refused) return client_->Explain(request, answer);
  // The answer to an attempt that succeeded may have been lost, and the next one refused; libcurl
  // makes one of its own, uncounted, when a kept connection breaks.
  return IsByWriter(client_.get(), key, writer);
}

Status S3Bucket::Delete(const std::string& key) {
  S3Request request;
  request.method = "DELETE";
  request.key = key;
  ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
  return answer.ok() || answer.code == 404 ? Status::OK() : client_->Explain(request, answer);
}

Result<std::vector<Upload>> S3Bucket::ListUploads(const std::string& prefix) const {
  std::vector<Upload> out;
  S3Request request;
  request.query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", prefix}};
  request.is_whole = IsWholeResult;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
    auto page = ParseS3Uploads(answer.body);
    if (!page.ok()) return WithContext(page.status(), "cannot list the uploads of " + uri());
    for (Upload& upload : page->uploads) {
      if (upload.key.starts_with(prefix)) out.push_back(std::move(upload));
    }
    if (page->next_key.empty()) return out;
    request.query["key-marker"] = page->next_key;
    request.query["upload-id-marker"] = page->next_id;
  }
}

Status S3Bucket::Abort(const Upload& upload) {
  S3Request request;
  request.method = "DELETE";
  request.key = upload.key;
  request.query = {{"uploadId", upload.id}};
  ARROW_ASSIGN_OR_RAISE(const S3Answer answer, client_->Send(request, {}));
  return answer.ok() || answer.code == 404 ? Status::OK() : client_->Explain(request, answer);
}

}  // namespace pomona::io
