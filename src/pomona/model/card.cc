#include "pomona/model/card.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "pomona/base/names.h"

namespace pomona::model {
namespace {

using nlohmann::json;

constexpr Names<Architecture, 3> kArchitectures = {{
    {Architecture::kResnet50Keras, "resnet50-keras"},
    {Architecture::kResnet50Torchvision, "resnet50-torchvision"},
    {Architecture::kGraph, "graph"},
}};
constexpr int kResnet50Dimension = 2048;
constexpr int kMinSide = 32;  // below it ResNet50's last feature map is empty
constexpr int kMaxSide = 4096;
constexpr int kMaxDimension = 1 << 20;
constexpr uintmax_t kMaxCardBytes = 1 << 20;

// One JSON object of a card: gives its fields by name and refuses those that nobody asked for.
class Fields {
 public:
  Fields(const json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  Status Check() const { return object_.is_object() ? Status::OK() : Bad("", "must be an object"); }

  Status Text(const char* name, std::string* out, bool required) {
    const json* value = Find(name);
    if (value == nullptr) return required ? Bad(name, "is missing") : Status::OK();
    if (!value->is_string()) return Bad(name, "must be text");
    *out = value->get<std::string>();
    return required && out->empty() ? Bad(name, "is empty") : Status::OK();
  }

  Status Flag(const char* name, bool* out) {
    const json* value = Find(name);
    if (value == nullptr) return Status::OK();
    if (!value->is_boolean()) return Bad(name, "must be true or false");
    *out = value->get<bool>();
    return Status::OK();
  }

  Status Integer(const char* name, int low, int high, int* out) {
    const json* value = Find(name);
    if (value == nullptr) return Bad(name, "is missing");
    if (!value->is_number_integer() || *value < low || *value > high) {
      return Bad(name,
                 "must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    *out = value->get<int>();
    return Status::OK();
  }

  Status ThreeNumbers(const char* name, std::array<float, 3>* out) {
    const json* value = Find(name);
    if (value == nullptr) return Bad(name, "is missing");
    if (!value->is_array() || value->size() != 3) return Bad(name, "must be three numbers");
    for (size_t i = 0; i < 3; ++i) {
      if (!(*value)[i].is_number()) return Bad(name, "must be three numbers");
      (*out)[i] = (*value)[i].get<float>();
      if (!std::isfinite((*out)[i])) return Bad(name, "must be finite");
    }
    return Status::OK();
  }

  Status Object(const char* name, const json** out) {
    *out = Find(name);
    return *out == nullptr ? Bad(name, "is missing") : Status::OK();
  }

  // nullptr if it is not there.
  const json* Optional(const char* name) { return Find(name); }

  // To be called when every known field has been asked for.
  Status NothingElse() const {
    for (const auto& [name, value] : object_.items()) {
      if (!asked_.contains(name)) return Bad(name, "is not a field that cards have");
    }
    return Status::OK();
  }

  Status Bad(const std::string& name, const std::string& what) const {
    const std::string dot = prefix_.empty() || name.empty() ? "" : ".";
    return Status::Invalid("field '", prefix_, dot, name, "' ", what);
  }

 private:
  const json* Find(const char* name) {
    asked_.insert(name);
    const auto at = object_.find(name);
    return at == object_.end() ? nullptr : &*at;
  }

  const json& object_;
  std::string prefix_;
  std::set<std::string> asked_;
};

bool IsId(const std::string& id) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !id.empty() && id.size() <= 64 && id[0] != '.' && id[0] != '-' &&
         std::all_of(id.begin(), id.end(), plain);
}

bool IsHex(const std::string& text, size_t min_size, size_t max_size) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= min_size && text.size() <= max_size &&
         std::all_of(text.begin(), text.end(), digit);
}

// A relative path that stays in its folder.
bool StaysInside(const std::filesystem::path& path) {
  return path.is_relative() && path.has_filename() &&
         std::none_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
}

Status ReadWeightsFields(const json& object, Weights* weights) {
  Fields fields(object, "weights");
  ARROW_RETURN_NOT_OK(fields.Check());
  ARROW_RETURN_NOT_OK(fields.Text("url", &weights->url, false));
  ARROW_RETURN_NOT_OK(fields.Text("file", &weights->file, true));
  ARROW_RETURN_NOT_OK(fields.Text("sha256", &weights->sha256, false));
  ARROW_RETURN_NOT_OK(fields.Text("sha256_prefix", &weights->sha256_prefix, false));
  ARROW_RETURN_NOT_OK(fields.Text("md5", &weights->md5, false));
  ARROW_RETURN_NOT_OK(fields.Flag("bundled", &weights->bundled));
  ARROW_RETURN_NOT_OK(fields.NothingElse());

  const std::string& url = weights->url;
  if (!url.empty() && !url.starts_with("https://") && !url.starts_with("http://")) {
    return fields.Bad("url", "must start with https:// or http://");
  }
  if (!url.empty() && weights->sha256.empty() && weights->sha256_prefix.empty() &&
      weights->md5.empty()) {
    return fields.Bad("url", "needs a checksum beside it: sha256, sha256_prefix or md5");
  }
  if (!url.empty() && weights->bundled) {
    return fields.Bad("url", "must be absent from a card whose weights are bundled");
  }
  const std::filesystem::path file(weights->file);
  if (!StaysInside(file) || (!url.empty() && file != file.filename())) {
    return fields.Bad(
        "file", "must be a file name" + std::string(url.empty() ? ", relative to the card" : ""));
  }
  if (!url.empty() && file.extension() == ".xml") {
    return fields.Bad("url",
                      "must be absent: an OpenVINO IR is two files; put them beside the card");
  }
  if (!weights->sha256.empty() && !IsHex(weights->sha256, 64, 64)) {
    return fields.Bad("sha256", "must be 64 lower-case hex digits");
  }
  if (!weights->sha256_prefix.empty() && !IsHex(weights->sha256_prefix, 8, 64)) {
    return fields.Bad("sha256_prefix", "must be 8 to 64 lower-case hex digits");
  }
  if (!weights->md5.empty() && !IsHex(weights->md5, 32, 32)) {
    return fields.Bad("md5", "must be 32 lower-case hex digits");
  }
  return Status::OK();
}

Status ReadInputFields(const json& object, Input* input) {
  Fields fields(object, "input");
  ARROW_RETURN_NOT_OK(fields.Check());
  ARROW_RETURN_NOT_OK(fields.Text("node", &input->node, false));
  ARROW_RETURN_NOT_OK(fields.Integer("width", kMinSide, kMaxSide, &input->width));
  ARROW_RETURN_NOT_OK(fields.Integer("height", kMinSide, kMaxSide, &input->height));
  ARROW_RETURN_NOT_OK(fields.Text("channels", &input->channels, true));
  ARROW_RETURN_NOT_OK(fields.ThreeNumbers("mean", &input->mean));
  ARROW_RETURN_NOT_OK(fields.ThreeNumbers("scale", &input->scale));
  ARROW_RETURN_NOT_OK(fields.NothingElse());
  if (input->channels != "rgb" && input->channels != "bgr") {
    return fields.Bad("channels", "must be \"rgb\" or \"bgr\"");
  }
  const auto positive = [](float s) { return s > 0; };
  if (!std::all_of(input->scale.begin(), input->scale.end(), positive)) {
    return fields.Bad("scale", "must be over 0");
  }
  return Status::OK();
}

Status ReadOutputFields(const json& object, Output* output) {
  Fields fields(object, "output");
  ARROW_RETURN_NOT_OK(fields.Check());
  ARROW_RETURN_NOT_OK(fields.Text("node", &output->node, false));
  ARROW_RETURN_NOT_OK(fields.Integer("dimension", 1, kMaxDimension, &output->dimension));
  return fields.NothingElse();
}

Status ReadQuantizedFrom(const json& object, QuantizedFrom* from) {
  Fields fields(object, "quantized_from");
  ARROW_RETURN_NOT_OK(fields.Check());
  ARROW_RETURN_NOT_OK(fields.Text("id", &from->id, true));
  ARROW_RETURN_NOT_OK(fields.Text("weights_sha256", &from->weights_sha256, true));
  const json *calibration, *agreement;
  ARROW_RETURN_NOT_OK(fields.Object("calibration", &calibration));
  ARROW_RETURN_NOT_OK(fields.Object("agreement", &agreement));
  from->calibration = *calibration;
  from->agreement = *agreement;
  ARROW_RETURN_NOT_OK(fields.NothingElse());
  if (!IsHex(from->weights_sha256, 64, 64)) {
    return fields.Bad("weights_sha256", "must be 64 lower-case hex digits");
  }
  return Status::OK();
}

// `precision` and `quantized_from` are the mark of an int8 model, and come together.
Status ReadPrecision(Fields* fields, Card* card) {
  std::string precision;
  ARROW_RETURN_NOT_OK(fields->Text("precision", &precision, false));
  const json* from = fields->Optional("quantized_from");
  if (precision.empty() && from == nullptr) return Status::OK();
  if (precision != "int8") {
    return fields->Bad("precision", "must be \"int8\" if quantized_from is there, or be absent");
  }
  if (from == nullptr) return fields->Bad("quantized_from", "is missing");
  return ReadQuantizedFrom(*from, &card->quantized_from.emplace());
}

Status ReadArchitecture(Fields* fields, Architecture* out) {
  std::string text;
  ARROW_RETURN_NOT_OK(fields->Text("architecture", &text, true));
  if (const auto value = ValueOf(kArchitectures, text)) {
    *out = *value;
    return Status::OK();
  }
  std::string known;
  for (const auto& [value, name] : kArchitectures) {
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return fields->Bad("architecture", "is '" + text + "', but must be one of: " + known);
}

Status ReadProse(Fields* fields, Card* card) {
  ARROW_RETURN_NOT_OK(fields->Text("id", &card->id, true));
  if (!IsId(card->id)) {
    return fields->Bad("id", "must be at most 64 lower-case letters, digits, '-', '.' and '_'");
  }
  if (card->path.stem() != card->id) {
    return fields->Bad("id", "is '" + card->id + "', but must be the file's name, '" +
                                 card->path.stem().string() + "'");
  }
  ARROW_RETURN_NOT_OK(fields->Text("task", &card->task, true));
  if (card->task != "image-features") return fields->Bad("task", "must be \"image-features\"");
  ARROW_RETURN_NOT_OK(fields->Text("description", &card->description, true));
  ARROW_RETURN_NOT_OK(fields->Text("licence", &card->licence, true));
  return fields->Text("source", &card->source, false);
}

// What the built-in networks have no choice about.
Status CheckArchitecture(const Card& card) {
  if (card.architecture == Architecture::kGraph) return Status::OK();
  const Fields fields(json::object(), "");
  if (card.quantized_from) return fields.Bad("architecture", "of an int8 model must be 'graph'");
  if (!card.input.node.empty()) return fields.Bad("input.node", "is only for architecture 'graph'");
  if (!card.output.node.empty()) {
    return fields.Bad("output.node", "is only for architecture 'graph'");
  }
  if (card.output.dimension != kResnet50Dimension) {
    return fields.Bad("output.dimension", "must be 2048, as ResNet50 has");
  }
  return Status::OK();
}

Status FillCard(const json& object, Card* card) {
  Fields fields(object, "");
  if (!object.is_object()) return Status::Invalid("a card must be a JSON object");
  ARROW_RETURN_NOT_OK(ReadProse(&fields, card));
  ARROW_RETURN_NOT_OK(ReadArchitecture(&fields, &card->architecture));
  const json *weights, *input, *output;
  ARROW_RETURN_NOT_OK(fields.Object("weights", &weights));
  ARROW_RETURN_NOT_OK(fields.Object("input", &input));
  ARROW_RETURN_NOT_OK(fields.Object("output", &output));
  ARROW_RETURN_NOT_OK(ReadPrecision(&fields, card));
  ARROW_RETURN_NOT_OK(fields.NothingElse());
  ARROW_RETURN_NOT_OK(ReadWeightsFields(*weights, &card->weights));
  ARROW_RETURN_NOT_OK(ReadInputFields(*input, &card->input));
  ARROW_RETURN_NOT_OK(ReadOutputFields(*output, &card->output));
  return CheckArchitecture(*card);
}

Result<std::string> ReadText(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error) return Status::IOError("cannot read it: ", error.message());
  if (size > kMaxCardBytes) return Status::Invalid("it is too large for a card");
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return Status::IOError("cannot read it");
  return text.str();
}

Result<Card> ParseCard(const std::filesystem::path& file) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadText(file));
  Card card;
  card.path = file;
  try {
    ARROW_RETURN_NOT_OK(FillCard(json::parse(text), &card));
  } catch (const json::exception& e) {
    return Status::Invalid("it is not valid JSON: ", e.what());
  }
  return card;
}

// `value` as the shortest decimal that is this float: 103.939, not 103.93900299072266.
double Shortest(float value) {
  char digits[32];
  const auto written = std::to_chars(digits, digits + sizeof(digits), value);
  double result = 0;
  std::from_chars(digits, written.ptr, result);
  return result;
}

json Shortest(const std::array<float, 3>& values) {
  return {Shortest(values[0]), Shortest(values[1]), Shortest(values[2])};
}

}  // namespace

nlohmann::json Card::Identity() const {
  return {{"architecture", NameOf(kArchitectures, architecture)},
          {"input",
           {{"node", input.node},
            {"width", input.width},
            {"height", input.height},
            {"channels", input.channels},
            {"mean", Shortest(input.mean)},
            {"scale", Shortest(input.scale)}}},
          {"output", {{"node", output.node}, {"dimension", output.dimension}}}};
}

Result<Card> ReadCard(const std::filesystem::path& file) {
  Result<Card> card = ParseCard(file);
  if (!card.ok()) return WithContext(card.status(), "model card " + file.string());
  return card;
}

}  // namespace pomona::model
