#include "pomona/dataset/manifest.h"

#include <numeric>

#include "pomona/base/hash.h"
#include "pomona/dataset/json_integer.h"

namespace pomona::dataset {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

// A key becomes part of a file name.
bool IsKey(const std::string& key) {
  return key.size() == 32 && key.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// No file is so large, and sums of such numbers do not overflow.
bool IsCount(int64_t n) { return n >= 0 && n < int64_t{1} << 40; }

Status CheckManifest(const Manifest& manifest) {
  if (!manifest.recipe.is_object()) return Status::Invalid("field 'recipe' is not an object");
  const auto dimension = json::json_pointer("/identity/output/dimension");
  if (!manifest.model.is_object() || !manifest.model.contains(dimension) ||
      !manifest.model.at(dimension).is_number_integer() || manifest.dimension() < 1) {
    return Status::Invalid("field 'model' has no positive identity.output.dimension");
  }
  if (manifest.removed < 0 || (manifest.removed > 0 && !IsKey(manifest.removed_hash))) {
    return Status::Invalid("fields 'removed' and 'removed_hash' name no list");
  }
  for (const PartEntry& part : manifest.parts) {
    if (!IsKey(part.key)) return Status::Invalid("'", part.key, "' is not the key of a part");
    if (!IsCount(part.rows) || !IsCount(part.rejected) || !IsCount(part.bytes)) {
      return Status::Invalid("part ", part.key, " has a count that cannot be one");
    }
  }
  return Status::OK();
}

// "recipe.denoise" -> value, for every leaf.
json Leaves(const Manifest& manifest) {
  const json all = {{"recipe", manifest.recipe},
                    {"model", manifest.model},
                    {"source", manifest.source},
                    {"label", manifest.label}};
  return all.flatten();
}

std::string FieldName(std::string pointer) {
  pointer.erase(0, 1);
  for (char& c : pointer) c = c == '/' ? '.' : c;
  return pointer;
}

std::string ValueText(const json& leaves, const std::string& pointer) {
  if (!leaves.contains(pointer)) return "(none)";
  const json& value = leaves.at(pointer);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

int Manifest::dimension() const {
  return model.at("identity").at("output").at("dimension").get<int>();
}

int64_t Manifest::rows() const {
  return std::accumulate(parts.begin(), parts.end(), int64_t{0},
                         [](int64_t sum, const PartEntry& p) { return sum + p.rows; });
}

int64_t Manifest::rejected() const {
  return std::accumulate(parts.begin(), parts.end(), int64_t{0},
                         [](int64_t sum, const PartEntry& p) { return sum + p.rejected; });
}

std::string Manifest::recipe_hash() const { return Xxh3Hex(recipe.dump()); }
std::string Manifest::model_hash() const { return Xxh3Hex(model.dump()); }

json ToJson(const PartEntry& part) {
  return {{"key", part.key},
          {"rows", part.rows},
          {"rejected", part.rejected},
          {"bytes", part.bytes},
          {"hash", part.hash}};
}

PartEntry PartEntryFromJson(const json& j) {
  return {j.at("key").get<std::string>(), JsonInteger(j.at("rows")), JsonInteger(j.at("rejected")),
          JsonInteger(j.at("bytes")), j.at("hash").get<std::string>()};
}

std::string ToText(const Manifest& manifest) {
  json parts = json::array();
  for (const PartEntry& part : manifest.parts) parts.push_back(ToJson(part));
  json j = {{"format", kFormat},
            {"tool", manifest.tool},
            {"source", manifest.source},
            {"label", manifest.label},
            {"recipe", manifest.recipe},
            {"recipe_hash", manifest.recipe_hash()},
            {"model", manifest.model},
            {"model_hash", manifest.model_hash()},
            {"ignored", manifest.ignored},
            {"rows", manifest.rows()},
            {"rejected", manifest.rejected()},
            {"removed", manifest.removed},
            {"parts", parts}};
  if (manifest.removed > 0) j["removed_hash"] = manifest.removed_hash;
  if (!manifest.precision_choice.is_null()) j["precision_choice"] = manifest.precision_choice;
  return j.dump(2) + "\n";
}

Result<Manifest> ParseManifest(const std::string& text) {
  Manifest manifest;
  try {
    const json j = json::parse(text);
    if (j.at("format") != kFormat) {
      return Status::Invalid("it has format ", j.at("format").dump(), "; this pomona reads format ",
                             kFormat);
    }
    manifest.tool = j.at("tool").get<std::string>();
    manifest.source = j.at("source").get<std::string>();
    manifest.label = j.at("label").get<std::string>();
    manifest.recipe = j.at("recipe");
    manifest.model = j.at("model");
    manifest.ignored = JsonInteger(j.at("ignored"));
    manifest.removed = JsonInteger(j.at("removed"));
    if (manifest.removed != 0) manifest.removed_hash = j.at("removed_hash").get<std::string>();
    if (j.contains("precision_choice")) manifest.precision_choice = j.at("precision_choice");
    for (const json& part : j.at("parts")) manifest.parts.push_back(PartEntryFromJson(part));
    ARROW_RETURN_NOT_OK(CheckManifest(manifest));
    if (j.at("recipe_hash") != manifest.recipe_hash()) {
      return Status::Invalid("recipe_hash does not belong to the recipe beside it");
    }
    if (j.at("model_hash") != manifest.model_hash()) {
      return Status::Invalid("model_hash does not belong to the model beside it");
    }
  } catch (const json::exception& e) {
    return Status::Invalid(e.what());
  }
  return manifest;
}

Status CheckSameContract(const Manifest& there, const Manifest& asked, const std::string& where) {
  const json old_leaves = Leaves(there);
  const json new_leaves = Leaves(asked);
  json fields = old_leaves;
  fields.update(new_leaves);
  // Of another model everything differs: its name says enough.
  const bool other_model = ValueText(old_leaves, "/model/id") != ValueText(new_leaves, "/model/id");
  std::string differences;
  for (const auto& [pointer, unused] : fields.items()) {
    if (other_model && pointer.starts_with("/model/") && pointer != "/model/id") continue;
    const std::string before = ValueText(old_leaves, pointer);
    const std::string now = ValueText(new_leaves, pointer);
    if (before == now) continue;
    if (!differences.empty()) differences += "; ";
    differences += FieldName(pointer) + " is " + before + " there and " + now + " here";
  }
  if (differences.empty()) return Status::OK();
  return UsageError(where + " holds features of another kind, which are never mixed: " +
                    differences + ". Give another results folder, or the same options as before");
}

}  // namespace pomona::dataset
