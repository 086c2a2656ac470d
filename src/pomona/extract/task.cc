#include "pomona/extract/task.h"

#include <optional>
#include <utility>

#include "pomona/base/cbor.h"

namespace pomona::extract {
namespace {

using nlohmann::json;

template <typename T>
json Nullable(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

template <typename T>
std::optional<T> FromNullable(const json& value) {
  return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

json ToJson(const std::optional<Rejection>& rejection) {
  if (!rejection) return nullptr;
  return {ReasonName(rejection->reason), rejection->detail, Nullable(rejection->byte_offset),
          rejection->pixels, rejection->bytes};
}

std::optional<Rejection> RejectionFromJson(const json& j) {
  if (j.is_null()) return std::nullopt;
  const auto reason = ParseReason(j.at(0).get<std::string>());
  return Rejection{reason.ValueOr(Reason::kUnreadable), j.at(1).get<std::string>(),
                   FromNullable<int64_t>(j.at(2)), j.at(3).get<int64_t>(), j.at(4).get<int64_t>()};
}

json ToJson(const PlannedEntry& planned) {
  const io::Entry& e = planned.entry;
  return {e.path,    Binary(e.locator),  Nullable(e.label), e.size,
          e.version, ToJson(e.rejected), planned.attempt};
}

PlannedEntry EntryFromJson(const json& j) {
  PlannedEntry planned;
  io::Entry& e = planned.entry;
  e.path = j.at(0).get<std::string>();
  e.locator = FromBinary(j.at(1));
  e.label = FromNullable<std::string>(j.at(2));
  e.size = j.at(3).get<int64_t>();
  e.version = j.at(4).get<std::string>();
  e.rejected = RejectionFromJson(j.at(5));
  planned.attempt = j.at(6).get<int>();
  return planned;
}

}  // namespace

std::string ToBytes(const PlannedPart& part) {
  json entries = json::array();
  for (const PlannedEntry& planned : part.entries) entries.push_back(ToJson(planned));
  return ToCbor({{"key", part.key}, {"entries", std::move(entries)}});
}

Result<PlannedPart> PlannedPartFromBytes(std::string_view bytes) {
  return FromCbor(bytes, "a planned part", [](const json& j) {
    PlannedPart part;
    part.key = j.at("key").get<std::string>();
    for (const json& entry : j.at("entries")) part.entries.push_back(EntryFromJson(entry));
    return part;
  });
}

std::string ToBytes(const ComputedPart& computed) {
  return ToCbor({{"entry", dataset::ToJson(computed.entry)}, {"damaged", computed.damaged}});
}

Result<ComputedPart> ComputedPartFromBytes(std::string_view bytes) {
  return FromCbor(bytes, "a computed part", [](const json& j) {
    return ComputedPart{dataset::PartEntryFromJson(j.at("entry")), j.at("damaged").get<int64_t>()};
  });
}

}  // namespace pomona::extract
