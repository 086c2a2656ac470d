#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "pomona/base/names.h"
#include "pomona/base/text.h"
#include "pomona/model/elements.h"
#include "pomona/model/weights.h"

namespace pomona::model {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = 16 << 20;  // ResNet50's is 30 kB
constexpr size_t kMaxRank = 8;

struct Entry {
  std::string name;
  ElementType type = ElementType::kOther;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes from the end of the header
  uint64_t end = 0;
};

ElementType ParseType(std::string_view name) {
  constexpr Names<ElementType, 4> kTypes = {{
      {ElementType::kF16, "F16"},
      {ElementType::kBf16, "BF16"},
      {ElementType::kF32, "F32"},
      {ElementType::kF64, "F64"},
  }};
  return ValueOf(kTypes, name).value_or(ElementType::kOther);
}

Result<Entry> ParseEntry(const std::string& name, const json& field) {
  const Status wrong = Status::Invalid("tensor ", Quoted(name), " is not described as it must be");
  if (!field.is_object() || !field.contains("dtype") || !field["dtype"].is_string() ||
      !field.contains("shape") || !field["shape"].is_array() || !field.contains("data_offsets") ||
      !field["data_offsets"].is_array() || field["data_offsets"].size() != 2) {
    return wrong;
  }
  Entry entry;
  entry.name = name;
  entry.type = ParseType(field["dtype"].get_ref<const std::string&>());
  for (const json& size : field["shape"]) {
    if (!size.is_number_unsigned() || entry.shape.size() == kMaxRank) return wrong;
    entry.shape.push_back(size.get<int64_t>());
  }
  const json& offsets = field["data_offsets"];
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) return wrong;
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  return entry;
}

Status CheckSize(const Entry& entry) {
  if (entry.type == ElementType::kOther) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int64_t count, CountElements(entry.shape));
  if (static_cast<uint64_t>(count * ElementSize(entry.type)) != entry.end - entry.begin) {
    return Status::Invalid("tensor ", Quoted(entry.name), " has ", entry.end - entry.begin,
                           " bytes, which is not what its shape and type take");
  }
  return Status::OK();
}

// The format allows neither gaps nor overlaps, so no byte is read twice.
Status CheckOffsets(std::vector<Entry>* entries, uint64_t data_size) {
  const auto by_offset = [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  };
  std::sort(entries->begin(), entries->end(), by_offset);
  uint64_t at = 0;
  for (const Entry& entry : *entries) {
    if (entry.begin != at || entry.end < entry.begin || entry.end > data_size) {
      return Status::Invalid("tensor ", Quoted(entry.name), " lies at bytes ", entry.begin, " to ",
                             entry.end, " of ", data_size, ": the file is cut short or corrupt");
    }
    at = entry.end;
  }
  if (at != data_size) {
    return Status::Invalid(data_size - at, " bytes at the end belong to no tensor");
  }
  return Status::OK();
}

Result<std::vector<Entry>> ParseHeader(std::string_view text) {
  const json header = json::parse(text, nullptr, false);
  if (!header.is_object()) return Status::Invalid("its header is not a JSON object");
  std::vector<Entry> entries;
  for (const auto& [name, field] : header.items()) {
    if (name == "__metadata__") continue;
    ARROW_ASSIGN_OR_RAISE(Entry entry, ParseEntry(name, field));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<Tensors> ParseSafetensors(std::span<const uint8_t> file) {
  uint64_t header_size = 0;
  if (file.size() < sizeof(header_size)) return Status::Invalid("it is too short");
  std::memcpy(&header_size, file.data(), sizeof(header_size));
  const auto rest = file.subspan(sizeof(header_size));
  if (header_size > rest.size() || header_size > kMaxHeader) {
    return Status::Invalid("its header would take ", header_size, " bytes of ", rest.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), header_size);
  const auto data = rest.subspan(header_size);
  ARROW_ASSIGN_OR_RAISE(std::vector<Entry> entries, ParseHeader(text));
  ARROW_RETURN_NOT_OK(CheckOffsets(&entries, data.size()));

  Tensors tensors;
  for (Entry& entry : entries) {
    ARROW_RETURN_NOT_OK(CheckSize(entry));
    if (entry.type == ElementType::kOther) continue;
    const auto bytes = data.subspan(entry.begin, entry.end - entry.begin);
    tensors[entry.name] = {std::move(entry.shape), ToFloats(entry.type, bytes)};
  }
  return tensors;
}

}  // namespace pomona::model
