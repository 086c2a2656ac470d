#include <mutex>
#include <utility>

#include <hdf5.h>

#include "pomona/base/text.h"
#include "pomona/model/elements.h"
#include "pomona/model/weights.h"

namespace pomona::model {
namespace {

constexpr int kMaxRank = 8;
constexpr hsize_t kMaxNames = 100'000;
constexpr size_t kMaxNameSize = 1024;

// An HDF5 identifier, closed when it goes out of scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

herr_t RefuseExternalLink(const char*, const char*, const char*, const char*, unsigned*, hid_t,
                          void*) {
  return -1;
}

// Access properties under which a link that leads out of the file is an error.
Handle InsideOnly(hid_t property_class) {
  Handle properties(H5Pcreate(property_class), H5Pclose);
  H5Pset_elink_cb(properties.get(), RefuseExternalLink, nullptr);
  return properties;
}

Result<std::vector<std::string>> VariableStrings(hid_t attribute, hid_t space, size_t count) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  Handle stored(H5Aget_type(attribute), H5Tclose);
  H5Tset_cset(type.get(), H5Tget_cset(stored.get()));
  std::vector<char*> raw(count, nullptr);
  if (H5Aread(attribute, type.get(), raw.data()) < 0) return Status::Invalid("unreadable names");
  std::vector<std::string> names;
  for (const char* name : raw) names.emplace_back(name == nullptr ? "" : name);
  H5Dvlen_reclaim(type.get(), space, H5P_DEFAULT, raw.data());
  return names;
}

Result<std::vector<std::string>> FixedStrings(hid_t attribute, hid_t type, size_t count) {
  const size_t size = H5Tget_size(type);
  if (size == 0 || size > kMaxNameSize) return Status::Invalid("names of ", size, " characters");
  std::vector<char> raw(count * size);
  if (H5Aread(attribute, type, raw.data()) < 0) return Status::Invalid("unreadable names");
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    const std::string padded(raw.data() + i * size, size);
    names.push_back(padded.substr(0, padded.find('\0')));
  }
  return names;
}

// An attribute that holds a list of strings, fixed (old Keras, NumPy) or variable length.
Result<std::vector<std::string>> Names(hid_t object, const char* name) {
  const auto names = [&]() -> Result<std::vector<std::string>> {
    if (H5Aexists(object, name) <= 0) return Status::Invalid("is missing");
    Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
    Handle type(H5Aget_type(attribute.get()), H5Tclose);
    Handle space(H5Aget_space(attribute.get()), H5Sclose);
    if (!attribute.ok() || !type.ok() || !space.ok()) return Status::Invalid("is unreadable");
    const hssize_t count = H5Sget_simple_extent_npoints(space.get());
    if (count == 0) return std::vector<std::string>();  // a layer without weights
    if (count < 0 || static_cast<hsize_t>(count) > kMaxNames ||
        H5Tget_class(type.get()) != H5T_STRING) {
      return Status::Invalid("is not a list of names");
    }
    const auto n = static_cast<size_t>(count);
    if (H5Tis_variable_str(type.get()) > 0) {
      return VariableStrings(attribute.get(), space.get(), n);
    }
    return FixedStrings(attribute.get(), type.get(), n);
  }();
  if (!names.ok()) return WithContext(names.status(), std::string("attribute '") + name + "'");
  return names;
}

// Data kept in other files are not the weights anyone downloaded.
Status CheckStoredHere(hid_t dataset) {
  Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_external_count(creation.get()) != 0 || H5Pget_layout(creation.get()) == H5D_VIRTUAL) {
    return Status::Invalid("its numbers are in another file");
  }
  return Status::OK();
}

Result<std::vector<int64_t>> ShapeOf(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0 || rank > kMaxRank) return Status::Invalid("has ", rank, " dimensions");
  hsize_t sizes[kMaxRank] = {};
  H5Sget_simple_extent_dims(space, sizes, nullptr);
  std::vector<int64_t> shape;
  for (int i = 0; i < rank; ++i) shape.push_back(static_cast<int64_t>(sizes[i]));
  return shape;
}

Result<Tensor> ReadDataset(hid_t group, const std::string& name, MemoryBudget* budget) {
  const Handle access = InsideOnly(H5P_DATASET_ACCESS);
  Handle dataset(H5Dopen2(group, name.c_str(), access.get()), H5Dclose);
  if (!dataset.ok()) return Status::Invalid("is listed but not there");
  ARROW_RETURN_NOT_OK(CheckStoredHere(dataset.get()));
  Handle type(H5Dget_type(dataset.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_FLOAT) return Status::Invalid("holds no numbers");
  Handle space(H5Dget_space(dataset.get()), H5Sclose);

  Tensor tensor;
  ARROW_ASSIGN_OR_RAISE(tensor.shape, ShapeOf(space.get()));
  ARROW_ASSIGN_OR_RAISE(const int64_t count, CountElements(tensor.shape));
  ARROW_RETURN_NOT_OK(budget->Take(count));
  tensor.values.resize(static_cast<size_t>(count));
  if (H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
              tensor.values.data()) < 0) {
    return Status::Invalid("cannot be read: the file is cut short or corrupt");
  }
  return tensor;
}

// "block/conv1/kernel:0" -> "kernel"
std::string Leaf(const std::string& weight_name) {
  const std::string leaf = weight_name.substr(weight_name.rfind('/') + 1);
  return leaf.substr(0, leaf.find(':'));
}

Status ReadLayer(hid_t root, const std::string& layer, MemoryBudget* budget, Tensors* tensors) {
  const Handle access = InsideOnly(H5P_GROUP_ACCESS);
  Handle group(H5Gopen2(root, layer.c_str(), access.get()), H5Gclose);
  if (!group.ok()) return Status::Invalid("layer ", Quoted(layer), " is listed but not there");
  Result<std::vector<std::string>> names = Names(group.get(), "weight_names");
  if (!names.ok()) return WithContext(names.status(), "layer " + Quoted(layer));
  for (const std::string& name : *names) {
    Result<Tensor> tensor = ReadDataset(group.get(), name, budget);
    if (!tensor.ok()) return WithContext(tensor.status(), "tensor " + Quoted(layer + "/" + name));
    (*tensors)[layer + "/" + Leaf(name)] = std::move(tensor).ValueUnsafe();
  }
  return Status::OK();
}

Result<Tensors> ReadFile(const std::filesystem::path& file) {
  std::error_code error;
  MemoryBudget budget(std::filesystem::file_size(file, error));
  Handle root(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (error || !root.ok()) {
    return Status::Invalid("HDF5 cannot open it: it is cut short or corrupt");
  }
  if (H5Aexists(root.get(), "layer_names") <= 0) {
    return Status::Invalid(
        "it has no attribute 'layer_names', so it is not what Keras' "
        "save_weights writes to .h5");
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> layers, Names(root.get(), "layer_names"));
  Tensors tensors;
  for (const std::string& layer : layers) {
    ARROW_RETURN_NOT_OK(ReadLayer(root.get(), layer, &budget, &tensors));
  }
  return tensors;
}

}  // namespace

Result<Tensors> ReadKerasH5(const std::filesystem::path& file) {
  static std::mutex one_at_a_time;  // the serial HDF5 library is not thread-safe
  const std::lock_guard lock(one_at_a_time);
  H5E_auto2_t print = nullptr;
  void* data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &print, &data);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // errors come back as Status, not on stderr
  Result<Tensors> tensors = ReadFile(file);
  H5Eset_auto2(H5E_DEFAULT, print, data);
  return tensors;
}

}  // namespace pomona::model
