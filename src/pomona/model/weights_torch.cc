#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <zip.h>

#include "pomona/base/text.h"
#include "pomona/model/elements.h"
#include "pomona/model/pickle.h"
#include "pomona/model/weights.h"

namespace pomona::model {
namespace {

using Zip = std::unique_ptr<zip_t, decltype(&zip_discard)>;
using ZipFile = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

// Whether every element of the view lies in its storage. A view may not repeat elements (expanded
// tensors are never saved as weights), so it has at most as many as its storage.
Status CheckInside(const TensorView& view, int64_t storage_elements) {
  const Status outside = Status::Invalid("reaches beyond its storage of ", storage_elements,
                                         " elements: the file is cut short or corrupt");
  ARROW_ASSIGN_OR_RAISE(const int64_t count, CountElements(view.shape));
  if (view.offset < 0 || view.offset > storage_elements || count > storage_elements) return outside;
  if (count == 0) return Status::OK();
  int64_t last = view.offset;
  for (size_t d = 0; d < view.shape.size(); ++d) {
    const int64_t steps = view.shape[d] - 1;
    const int64_t room = storage_elements - 1 - last;
    if (view.strides[d] < 0 || room < 0 || (steps > 0 && view.strides[d] > room / steps)) {
      return outside;
    }
    last += steps * view.strides[d];
  }
  return last < storage_elements ? Status::OK() : outside;
}

Result<Tensor> Materialise(const TensorView& view, std::span<const uint8_t> storage,
                           MemoryBudget* budget) {
  const auto elements = static_cast<int64_t>(storage.size()) / ElementSize(view.type);
  ARROW_RETURN_NOT_OK(CheckInside(view, elements));
  ARROW_ASSIGN_OR_RAISE(const int64_t count, CountElements(view.shape));
  ARROW_RETURN_NOT_OK(budget->Take(count));
  return Tensor{view.shape, ToFloats(view.type, storage, view.offset, view.shape, view.strides)};
}

// `storage_of` gives the bytes of a storage by its key.
template <typename StorageOf>
Result<Tensors> MaterialiseAll(const std::vector<TensorView>& views, uint64_t file_size,
                               const StorageOf& storage_of) {
  MemoryBudget budget(file_size);
  Tensors tensors;
  for (const TensorView& view : views) {
    if (view.type == ElementType::kOther) continue;
    Result<Tensor> tensor = [&]() -> Result<Tensor> {
      ARROW_ASSIGN_OR_RAISE(const auto storage, storage_of(view.storage));
      return Materialise(view, storage, &budget);
    }();
    if (!tensor.ok()) return WithContext(tensor.status(), "tensor " + Quoted(ToUtf8(view.name)));
    tensors[view.name] = std::move(tensor).ValueUnsafe();
  }
  return tensors;
}

Result<Zip> OpenZip(const std::filesystem::path& file) {
  int code = 0;
  Zip zip(zip_open(file.c_str(), ZIP_RDONLY, &code), &zip_discard);
  if (zip != nullptr) return zip;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const Status status =
      Status::Invalid("it is a zip that is cut short or corrupt: ", zip_error_strerror(&error));
  zip_error_fini(&error);
  return status;
}

// A member of the zip. torch.save compresses nothing, so a member is never larger than the file.
Result<std::vector<uint8_t>> Member(zip_t* zip, const std::string& name, uint64_t file_size) {
  zip_stat_t stat;
  if (zip_stat(zip, name.c_str(), 0, &stat) != 0) return Status::Invalid("no ", Quoted(name));
  if (stat.comp_method != ZIP_CM_STORE || stat.size > file_size) {
    return Status::Invalid(Quoted(name), " is compressed, as torch.save never does");
  }
  ZipFile member(zip_fopen(zip, name.c_str(), 0), &zip_fclose);
  std::vector<uint8_t> bytes(stat.size);
  if (member == nullptr || zip_fread(member.get(), bytes.data(), bytes.size()) !=
                               static_cast<zip_int64_t>(bytes.size())) {
    return Status::Invalid("cannot read ", Quoted(name), ": the file is cut short or corrupt");
  }
  uint8_t beyond = 0;  // reading to the end makes libzip compare the CRC
  if (zip_fread(member.get(), &beyond, 1) != 0) {
    return Status::Invalid(Quoted(name), " is corrupt: its checksum differs");
  }
  return bytes;
}

// The folder that holds everything, which torch.save names after the file: "resnet50/".
Result<std::string> ArchiveFolder(zip_t* zip) {
  constexpr std::string_view kPickle = "/data.pkl";
  for (zip_int64_t i = 0; i < zip_get_num_entries(zip, 0); ++i) {
    const char* name = zip_get_name(zip, static_cast<zip_uint64_t>(i), 0);
    const std::string_view path(name == nullptr ? "" : name);
    if (path.ends_with(kPickle) && path.find('/') == path.size() - kPickle.size()) {
      return std::string(path.substr(0, path.size() - kPickle.size() + 1));
    }
  }
  return Status::Invalid("it is a zip without data.pkl, so not what torch.save writes");
}

Status CheckByteOrder(zip_t* zip, const std::string& folder, uint64_t file_size) {
  const std::string name = folder + "byteorder";
  if (zip_name_locate(zip, name.c_str(), 0) < 0) return Status::OK();  // little before PyTorch 2.1
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint8_t> order, Member(zip, name, file_size));
  if (std::string(order.begin(), order.end()) == "little") return Status::OK();
  return Status::Invalid("its numbers are big-endian: save it again on a little-endian machine");
}

// Where each storage lies behind the pickles: its element count (8 bytes), then its elements.
using Storages = std::unordered_map<std::string, std::span<const uint8_t>>;
Result<Storages> LegacyStorages(const std::vector<std::string>& keys,
                                const std::vector<TensorView>& views,
                                std::span<const uint8_t> rest) {
  std::unordered_map<std::string, ElementType> types;
  for (const TensorView& view : views) types[view.storage] = view.type;
  Storages storages;
  for (const std::string& key : keys) {
    uint64_t count = 0;
    if (rest.size() < sizeof(count)) return Status::Invalid("it is cut short");
    std::memcpy(&count, rest.data(), sizeof(count));
    rest = rest.subspan(sizeof(count));
    const int64_t size = ElementSize(types[key]);
    // Integers of a state dict are counters of 8 bytes (num_batches_tracked).
    const uint64_t element = size == 0 ? sizeof(int64_t) : static_cast<uint64_t>(size);
    if (count > rest.size() / element) return Status::Invalid("it is cut short");
    storages[key] = rest.first(static_cast<size_t>(count * element));
    rest = rest.subspan(static_cast<size_t>(count * element));
  }
  return storages;
}

}  // namespace

Result<Tensors> ReadTorchZip(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t file_size = std::filesystem::file_size(file, error);
  if (error) return Status::IOError("cannot read it: ", error.message());
  ARROW_ASSIGN_OR_RAISE(const Zip zip, OpenZip(file));
  ARROW_ASSIGN_OR_RAISE(const std::string folder, ArchiveFolder(zip.get()));
  ARROW_RETURN_NOT_OK(CheckByteOrder(zip.get(), folder, file_size));
  ARROW_ASSIGN_OR_RAISE(const auto pickled, Member(zip.get(), folder + "data.pkl", file_size));
  ARROW_ASSIGN_OR_RAISE(const Pickle pickle, Pickle::Load(pickled));
  ARROW_ASSIGN_OR_RAISE(const std::vector<TensorView> views, pickle.StateDict());

  // Views that share a storage follow each other; a file in which they do not is not read forever.
  MemoryBudget reads(4 * file_size);
  std::string current_key;
  std::vector<uint8_t> current;
  const auto storage_of = [&](const std::string& key) -> Result<std::span<const uint8_t>> {
    if (key != current_key || current.empty()) {
      ARROW_ASSIGN_OR_RAISE(current, Member(zip.get(), folder + "data/" + key, file_size));
      ARROW_RETURN_NOT_OK(reads.Take(static_cast<int64_t>(current.size())));
      current_key = key;
    }
    return std::span<const uint8_t>(current);
  };
  return MaterialiseAll(views, file_size, storage_of);
}

Result<Tensors> ParseTorchLegacy(std::span<const uint8_t> file) {
  std::span<const uint8_t> rest = file;
  for (int header = 0; header < 3; ++header) {  // magic number, protocol version, platform
    ARROW_ASSIGN_OR_RAISE(const Pickle skipped, Pickle::Load(rest));
    rest = rest.subspan(skipped.size());
  }
  ARROW_ASSIGN_OR_RAISE(const Pickle state, Pickle::Load(rest));
  rest = rest.subspan(state.size());
  ARROW_ASSIGN_OR_RAISE(const std::vector<TensorView> views, state.StateDict());
  ARROW_ASSIGN_OR_RAISE(const Pickle list, Pickle::Load(rest));
  rest = rest.subspan(list.size());
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> keys, list.Texts());
  ARROW_ASSIGN_OR_RAISE(const Storages storages, LegacyStorages(keys, views, rest));

  const auto storage_of = [&](const std::string& key) -> Result<std::span<const uint8_t>> {
    const auto found = storages.find(key);
    if (found == storages.end()) return Status::Invalid("its storage is not there");
    return found->second;
  };
  return MaterialiseAll(views, file.size(), storage_of);
}

}  // namespace pomona::model
