#include <filesystem>
#include <memory>
#include <string>

#include "pomona/base/text.h"
#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/io/source.h"
#include "pomona/model/card.h"
#include "pomona/model/pull.h"
#include "pomona/precision/quantize.h"

namespace pomona::cli {
namespace {

using nlohmann::json;

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

json Describe(const model::Card& card) {
  const auto weights = model::FindWeights(card);
  json out = {
      {"id", card.id},           {"description", card.description}, {"licence", card.licence},
      {"source", card.source},   {"card", card.path.string()},      {"identity", card.Identity()},
      {"url", card.weights.url}, {"bundled", card.weights.bundled}, {"ready", weights.ok()}};
  if (card.quantized_from) {
    out["precision"] = "int8";
    out["quantized_from"] = {{"id", card.quantized_from->id},
                             {"weights_sha256", card.quantized_from->weights_sha256},
                             {"calibration", card.quantized_from->calibration},
                             {"agreement", card.quantized_from->agreement}};
  }
  if (weights.ok()) out["weights"] = weights->string();
  return out;
}

Result<int> List(Context* context) {
  ARROW_ASSIGN_OR_RAISE(const auto cards, model::ListCards());
  json all = json::array();
  for (const model::Card& card : cards) {
    const bool ready = model::FindWeights(card).ok();
    context->console.Line(Padded(card.id, 25) + Padded(std::to_string(card.output.dimension), 6) +
                          Padded(ready ? "ready" : "weights missing", 17) + card.description);
    all.push_back(Describe(card));
  }
  context->console.Json(all);
  return kExitDone;
}

Result<int> Info(const std::string& id, Context* context) {
  ARROW_ASSIGN_OR_RAISE(const model::Card card, model::FindCard(id));
  const json described = Describe(card);
  Console& console = context->console;
  console.Line(card.id + ": " + card.description);
  console.Line("  gives    " + WithThousands(card.output.dimension) + " numbers an image");
  const std::string size =
      std::to_string(card.input.width) + "x" + std::to_string(card.input.height);
  console.Line("  wants    " + size + " " + card.input.channels +
               ", (value - mean) / scale, mean " + json(card.input.mean).dump() + ", scale " +
               json(card.input.scale).dump());
  if (card.quantized_from) {
    console.Line("  int8     of " + card.quantized_from->id +
                 ", which --precision int8 replaces by it");
    console.Line("  agrees   " + card.quantized_from->agreement.dump());
  }
  console.Line("  licence  " + card.licence);
  console.Line("  source   " + card.source);
  console.Line("  card     " + card.path.string());
  const auto weights = model::FindWeights(card);
  console.Line("  weights  " +
               (weights.ok() ? weights->string() : "missing: " + weights.status().message()));
  console.Json(described);
  return kExitDone;
}

struct PullFlags {
  std::string id;
  std::string url;
};

Result<int> Pull(const PullFlags& flags, Context* context) {
  ARROW_ASSIGN_OR_RAISE(const model::Card card, model::FindCard(flags.id));
  model::PullOptions options;
  options.url = flags.url;
  ARROW_RETURN_NOT_OK(model::Pull(card, options, context->console.observer(), context->stop));
  ARROW_ASSIGN_OR_RAISE(const std::filesystem::path weights, model::FindWeights(card));
  context->console.Line(card.id + " is ready: " + weights.string());
  context->console.Json({{"id", card.id}, {"weights", weights.string()}});
  return kExitDone;
}

struct QuantizeFlags {
  std::string id;
  std::string images;
  std::string out;
  std::string weights;
  std::string denoise = "nlm:3";
  std::string resize = "bilinear";
  std::string label;
  int64_t count = 300;
  ThreadsFlag threads;
};

Result<int> Quantize(const QuantizeFlags& flags, Context* context) {
  precision::QuantizeOptions options;
  image::Recipe& recipe = options.sample.recipe;
  ARROW_ASSIGN_OR_RAISE(recipe.denoise, image::ParseDenoise(flags.denoise));
  ARROW_ASSIGN_OR_RAISE(recipe.resize, image::ParseResize(flags.resize));
  ARROW_ASSIGN_OR_RAISE(const model::Card card, model::FindCard(flags.id));
  ARROW_ASSIGN_OR_RAISE(const auto source, io::OpenSource(flags.images, {flags.label}));
  recipe.width = card.input.width;
  recipe.height = card.input.height;
  options.sample.threads = flags.threads.threads;
  options.weights = flags.weights;
  options.images = flags.count;
  options.out = flags.out.empty() ? model::UserCardFolder() : std::filesystem::path(flags.out);
  auto report =
      precision::Quantize(card, *source, options, context->console.observer(), context->stop);
  context->console.EndProgress();
  ARROW_RETURN_NOT_OK(report.status());

  Console& console = context->console;
  json attempts = json::array();
  for (const precision::Attempt& attempt : report->attempts) {
    attempts.push_back({{"f32_convolutions", attempt.f32_convolutions},
                        {"agreement", precision::ToJson(attempt.agreement)}});
  }
  const json& agreement = attempts.back()["agreement"];
  console.Line(report->card.id + " is ready: " + report->card.path.string());
  console.Line("  calibrated on " + Counted(report->calibration, "image") + ", " +
               WithThousands(report->unusable) + " of the sample unusable; the first " +
               Counted(report->attempts.back().f32_convolutions, "convolution") + " in f32");
  console.Line("  with f32 on other images: " + agreement.dump());
  console.Line("  next: pomona run IMAGES RESULTS --model " + flags.id + " --precision int8");
  console.Json({{"id", report->card.id},
                {"card", report->card.path.string()},
                {"calibration", report->calibration},
                {"unusable", report->unusable},
                {"agreement", agreement},
                {"attempts", attempts}});
  return kExitDone;
}

void AddQuantize(CLI::App* models, Context* context) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* quantize = models->add_subcommand("quantize", "Make a network's int8 form");
  quantize->footer(
      "Example:\n"
      "  scripts/setup quantize                       Python with NNCF, once\n"
      "  pomona models quantize resnet50 photos\n"
      "  pomona run photos results --model resnet50 --precision auto\n"
      "\n"
      "Calibrates on a stratified sample of IMAGES and compares with f32 on others of them. "
      "Writes\n"
      "the card ID-int8 only if the two agree. Use the recipe that you will extract with.");
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return quantize->add_option(name, value, help)->type_name(type)->capture_default_str();
  };
  add("ID", flags->id, "", "Model id or card file")->required();
  add("IMAGES", flags->images, "", "Folder, .tar file, or .csv manifest (path,label)")->required();
  add("--out", flags->out, "FOLDER", "Where the card goes [the user's cards]");
  add("--weights", flags->weights, "FILE", "Weights instead of the card's own");
  add("--images", flags->count, "N", "Images to calibrate on, at most")
      ->check(CLI::Range(int64_t{1}, int64_t{10000}).description(""));
  add("--denoise", flags->denoise, "D", "none, gaussian, median, bilateral, nlm[:H]");
  add("--resize", flags->resize, "R", "bilinear, area, bicubic, pil-bilinear");
  add("--label", flags->label, "L", "folder (the image's), none, or a manifest's column");
  flags->threads.Add(quantize);
  quantize->callback([flags, context] {
    context->action = [flags, context] { return Quantize(*flags, context); };
  });
}

}  // namespace

void AddModels(CLI::App* app, Context* context) {
  CLI::App* models = app->add_subcommand("models", "Networks: list, info, pull, quantize");
  models->require_subcommand(1);
  models->footer(
      "Examples:\n"
      "  pomona models list\n"
      "  pomona models info resnet50\n"
      "  pomona models pull resnet50       official weights into the cache, checked\n"
      "  pomona models quantize resnet50 photos     its int8 form, calibrated on these images\n"
      "\n"
      "Cards are looked for in $POMONA_MODELS, $XDG_CONFIG_HOME/pomona/models and beside pomona.");

  models->add_subcommand("list", "Every model card")->callback([context] {
    context->action = [context] { return List(context); };
  });

  auto id = std::make_shared<std::string>();
  CLI::App* info = models->add_subcommand("info", "What a network wants, gives and needs");
  info->add_option("ID", *id, "Model id or card file")->required()->type_name("");
  info->callback([id, context] { context->action = [id, context] { return Info(*id, context); }; });

  auto flags = std::make_shared<PullFlags>();
  CLI::App* pull = models->add_subcommand("pull", "Download a network's official weights");
  pull->add_option("ID", flags->id, "Model id or card file")->required()->type_name("");
  pull->add_option("--url", flags->url, "From a mirror; the checksums of the card still hold")
      ->type_name("URL");
  pull->callback(
      [flags, context] { context->action = [flags, context] { return Pull(*flags, context); }; });

  AddQuantize(models, context);
}

}  // namespace pomona::cli
