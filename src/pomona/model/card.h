// A model card: what a network is, where its weights come from, what it wants and gives.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/status.h"

namespace pomona::model {

// How weights become a network.
enum class Architecture {
  kResnet50Keras,        // Keras .h5 (legacy HDF5 layout), 1x1 stride-2 convolutions, biases
  kResnet50Torchvision,  // torchvision .pth or .safetensors, v1.5
  kGraph,                // the file is the network: ONNX, or OpenVINO IR
};

struct Weights {
  std::string url;            // official address, empty if bundled or the user's own
  std::string file;           // bundled: relative to the card. Otherwise: name in the cache
  std::string sha256;         // as the publisher (or the bundle) states it, or empty
  std::string sha256_prefix;  // torchvision states the first 8 hex digits in the file name
  std::string md5;            // Keras states this
  bool bundled = false;
};

// What the network wants: 8-bit RGB becomes (value - mean[c]) / scale[c] in `channels` order.
struct Input {
  std::string node;  // kGraph: the input's name, or empty for the only one
  int width = 224;
  int height = 224;
  std::string channels = "rgb";  // "rgb", or "bgr" for Caffe-style networks (Keras ResNet50)
  std::array<float, 3> mean = {0, 0, 0};   // in the order of `channels`
  std::array<float, 3> scale = {1, 1, 1};  // in the order of `channels`
};

struct Output {
  std::string node;   // kGraph: name of the output that holds the features
  int dimension = 0;  // numbers a feature has
};

// Of an int8 model: the network it was made from, and how far it agrees with that.
struct QuantizedFrom {
  std::string id;
  std::string weights_sha256;  // HashWeights of the f32 weights
  nlohmann::json calibration;  // which images set its ranges, and the recipe that prepared them
  nlohmann::json agreement;    // with f32 on other images, as precision/agreement.h says it
};

struct Card {
  std::string id;           // what --model takes
  std::string task;         // "image-features"
  std::string description;  // one line for `pomona models list`
  std::string licence;      // SPDX
  std::string source;       // paper or page
  Architecture architecture = Architecture::kGraph;
  Weights weights;
  Input input;
  Output output;
  std::optional<QuantizedFrom> quantized_from;  // set: an int8 model
  std::filesystem::path path;                   // the card's own file

  // The fields that decide what comes out (architecture, input, output), for hashing and for
  // saying which of them differs; not id, prose or addresses.
  nlohmann::json Identity() const;
};

// Reads and checks one card; the error names the field.
Result<Card> ReadCard(const std::filesystem::path& file);

// Folders searched for cards, in order: $POMONA_MODELS, the user's $XDG_CONFIG_HOME/pomona/models,
// the installed or source tree's models/.
std::vector<std::filesystem::path> CardFolders();
// All cards, one per id (the first folder wins), sorted by id.
Result<std::vector<Card>> ListCards();
// By id, or by the path of a card file. UsageError that lists the ids there are.
Result<Card> FindCard(const std::string& id_or_file);

// "resnet50" -> "resnet50-int8"
std::string Int8Id(const std::string& id);
// The card of `card`'s int8 form: the first ID-int8.json of the card folders, or else beside
// `card`, that was made from these weights. UsageError that says how to make one if there is none.
Result<Card> FindInt8(const Card& card, const std::string& weights_sha256);

// The user's own: $XDG_CONFIG_HOME/pomona/models, or ~/.config/pomona/models.
std::filesystem::path UserCardFolder();
// share/pomona/models of the installation the running program belongs to, or models/ of the source
// tree it was built from.
std::filesystem::path OwnCardFolder();
// For code that runs inside another program: where its own cards are instead. To be called before
// other threads look for cards.
void SetOwnCardFolder(std::filesystem::path folder);

// $XDG_CACHE_HOME/pomona/models, or ~/.cache/pomona/models.
std::filesystem::path CacheFolder();
// Where the card's weights are on this machine; an error that says how to get them
// (`pomona models pull ID`, or --weights FILE) if they are not.
Result<std::filesystem::path> FindWeights(const Card& card);

}  // namespace pomona::model
