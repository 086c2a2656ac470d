#include <filesystem>
#include <memory>
#include <string>

#include "pomona/base/text.h"
#include "pomona/cli/command.h"
#include "pomona/model/card.h"
#include "pomona/model/pull.h"

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
  if (weights.ok()) out["weights"] = weights->string();
  return out;
}

Result<int> List(Context* context) {
  ARROW_ASSIGN_OR_RAISE(const auto cards, model::ListCards());
  json all = json::array();
  for (const model::Card& card : cards) {
    const bool ready = model::FindWeights(card).ok();
    context->console.Line(Padded(card.id, 20) + Padded(std::to_string(card.output.dimension), 6) +
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

}  // namespace

void AddModels(CLI::App* app, Context* context) {
  CLI::App* models = app->add_subcommand("models", "Networks: list, info, pull");
  models->require_subcommand(1);
  models->footer(
      "Examples:\n"
      "  pomona models list\n"
      "  pomona models info resnet50\n"
      "  pomona models pull resnet50       official weights into the cache, checked\n"
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
}

}  // namespace pomona::cli
