#include "pomona/base/status.h"

#include <memory>
#include <utility>

namespace pomona {
namespace {

class Kind : public arrow::StatusDetail {
 public:
  explicit Kind(const char* id) : id_(id) {}
  const char* type_id() const override { return id_; }
  std::string ToString() const override { return id_; }

 private:
  const char* id_;
};

constexpr char kUsage[] = "pomona::usage";
constexpr char kNothing[] = "pomona::nothing-to-read";
constexpr char kConflict[] = "pomona::conflict";

bool HasKind(const Status& status, const char* id) {
  return status.detail() != nullptr && std::string(status.detail()->type_id()) == id;
}

}  // namespace

Status UsageError(std::string message) {
  return Status(arrow::StatusCode::Invalid, std::move(message), std::make_shared<Kind>(kUsage));
}

bool IsUsageError(const Status& status) { return HasKind(status, kUsage); }

Status NothingToRead(std::string message) {
  return Status(arrow::StatusCode::IOError, std::move(message), std::make_shared<Kind>(kNothing));
}

bool IsNothingToRead(const Status& status) { return HasKind(status, kNothing); }

Status Conflict(std::string message) {
  return Status(arrow::StatusCode::IOError, std::move(message), std::make_shared<Kind>(kConflict));
}

bool IsConflict(const Status& status) { return HasKind(status, kConflict); }

Status Interrupted(std::string message) { return Status::Cancelled(std::move(message)); }

Status WithContext(const Status& error, const std::string& context) {
  return error.ok() ? error : error.WithMessage(context, ": ", error.message());
}

}  // namespace pomona
