// Where cards and weights are on this machine.
#include <algorithm>
#include <map>
#include <utility>

#include "pomona/base/environment.h"
#include "pomona/base/text.h"
#include "pomona/model/card.h"

namespace pomona::model {
namespace {

namespace fs = std::filesystem;

// The XDG Base Directory Specification: a variable that is not absolute is ignored.
fs::path XdgFolder(const char* variable, const char* under_home) {
  const fs::path set = Env(variable);
  return set.is_absolute() ? set : fs::path(Env("HOME")) / under_home;
}

// Of SetOwnCardFolder.
fs::path& GivenCardFolder() {
  static fs::path folder;
  return folder;
}

Result<std::vector<fs::path>> CardFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".json") files.push_back(it->path());
  }
  if (error == std::errc::no_such_file_or_directory && folder != Env("POMONA_MODELS")) return files;
  if (error) {
    return Status::IOError("cannot list model cards in ", folder.string(), ": ", error.message());
  }
  return files;
}

// Id -> card file; an id is its file's name (ReadCard sees to that).
Result<std::map<std::string, fs::path>> FilesById() {
  std::map<std::string, fs::path> by_id;
  for (const fs::path& folder : CardFolders()) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<fs::path> files, CardFiles(folder));
    for (const fs::path& file : files) by_id.emplace(file.stem().string(), file);
  }
  return by_id;
}

Status NotThere(const Card& card, const fs::path& path) {
  const std::string what = "the weights of model '" + card.id + "' are not at " + path.string();
  if (card.weights.url.empty()) {
    return Status::IOError(what, ", where its card ", card.path.string(),
                           " says: put the file there, or pass --weights FILE");
  }
  return Status::IOError(what, ": run `pomona models pull ", card.id, "`, or pass --weights FILE");
}

Status NoInt8(const Card& card) {
  return UsageError("model '" + card.id + "' has no int8 form on this machine: make one with " +
                    "`pomona models quantize " + card.id + " IMAGES`, or use another precision");
}

// Where the card of `card`'s int8 form may be, in the order of looking.
std::vector<fs::path> Int8Files(const Card& card) {
  std::vector<fs::path> folders = CardFolders();
  folders.push_back(card.path.parent_path());
  std::vector<fs::path> files;
  std::error_code error;
  for (const fs::path& folder : folders) {
    const fs::path file = folder / (Int8Id(card.id) + ".json");
    if (fs::exists(file, error)) files.push_back(file);
  }
  return files;
}

bool SamePixels(const Input& a, const Input& b) {
  return a.width == b.width && a.height == b.height && a.channels == b.channels &&
         a.mean == b.mean && a.scale == b.scale;
}

Status CheckInt8Of(const Card& card, const Card& found) {
  const std::string what = "model card " + found.path.string();
  if (!found.quantized_from || found.quantized_from->id != card.id) {
    return Status::Invalid(what, " is not that of the int8 form of '", card.id, "'");
  }
  if (!SamePixels(found.input, card.input) || found.output.dimension != card.output.dimension) {
    return Status::Invalid(what, " has another input or output than the card of '", card.id,
                           "': make it again with `pomona models quantize ", card.id, " IMAGES`");
  }
  return Status::OK();
}

}  // namespace

fs::path UserCardFolder() { return XdgFolder("XDG_CONFIG_HOME", ".config") / "pomona/models"; }

void SetOwnCardFolder(fs::path folder) { GivenCardFolder() = std::move(folder); }

fs::path OwnCardFolder() {
  if (!GivenCardFolder().empty()) return GivenCardFolder();
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = program.parent_path().parent_path() / "share/pomona/models";
  return !error && fs::is_directory(installed, error) ? installed : fs::path(POMONA_MODELS_DIR);
}

std::vector<fs::path> CardFolders() {
  std::vector<fs::path> folders;
  if (const fs::path own = Env("POMONA_MODELS"); !own.empty()) folders.push_back(own);
  folders.push_back(UserCardFolder());
  folders.push_back(OwnCardFolder());
  return folders;
}

Result<std::vector<Card>> ListCards() {
  ARROW_ASSIGN_OR_RAISE(const auto files, FilesById());
  std::vector<Card> cards;
  for (const auto& [id, file] : files) {
    ARROW_ASSIGN_OR_RAISE(Card card, ReadCard(file));
    cards.push_back(std::move(card));
  }
  return cards;
}

Result<Card> FindCard(const std::string& id_or_file) {
  if (id_or_file.find('/') != std::string::npos || id_or_file.ends_with(".json")) {
    return ReadCard(id_or_file);
  }
  ARROW_ASSIGN_OR_RAISE(const auto files, FilesById());
  const auto found = files.find(id_or_file);
  if (found != files.end()) return ReadCard(found->second);
  std::string known;
  for (const auto& [id, file] : files) known += (known.empty() ? "" : ", ") + id;
  return UsageError("no model " + Quoted(id_or_file) + ": there are " + known +
                    "; or pass the path of a card (FILE.json)");
}

std::string Int8Id(const std::string& id) { return id + "-int8"; }

Result<Card> FindInt8(const Card& card, const std::string& weights_sha256) {
  Status none = NoInt8(card);
  for (const fs::path& file : Int8Files(card)) {
    ARROW_ASSIGN_OR_RAISE(Card found, ReadCard(file));
    ARROW_RETURN_NOT_OK(CheckInt8Of(card, found));
    if (found.quantized_from->weights_sha256 == weights_sha256) return found;
    none = UsageError("model card " + file.string() + " was made from other weights of '" +
                      card.id + "' (SHA-256 " + found.quantized_from->weights_sha256 +
                      ") than these (" + weights_sha256 + "): make it again with " +
                      "`pomona models quantize " + card.id + " IMAGES`, or use another precision");
  }
  return none;
}

fs::path CacheFolder() { return XdgFolder("XDG_CACHE_HOME", ".cache") / "pomona/models"; }

Result<fs::path> FindWeights(const Card& card) {
  const fs::path folder = card.weights.url.empty() ? card.path.parent_path() : CacheFolder();
  const fs::path path = folder / card.weights.file;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return NotThere(card, path);
  return path;
}

}  // namespace pomona::model
