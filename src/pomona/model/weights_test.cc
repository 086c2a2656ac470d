#include "pomona/model/weights.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <zip.h>

#include "pomona/model/pickle.h"
#include "pomona/model/test_files.h"

namespace pomona::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

namespace fs = std::filesystem;
using Bytes = std::span<const uint8_t>;

Bytes AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string Raw64(uint64_t value) { return Raw(std::vector<uint64_t>{value}); }

// Safetensors --------------------------------------------------------------------------------

std::string Safetensors(const std::string& header, const std::string& data) {
  return Raw64(header.size()) + header + data;
}

Result<Tensors> ParseSafe(const std::string& header, const std::string& data) {
  return ParseSafetensors(AsBytes(Safetensors(header, data)));
}

TEST(SafetensorsTest, EveryFloatingTypeBecomesFloat) {
  const std::string header = R"({"__metadata__": {"format": "pt"},
      "half": {"dtype": "F16", "shape": [5], "data_offsets": [0, 10]},
      "bf16": {"dtype": "BF16", "shape": [2], "data_offsets": [10, 14]},
      "single": {"dtype": "F32", "shape": [1, 2], "data_offsets": [14, 22]},
      "double": {"dtype": "F64", "shape": [], "data_offsets": [22, 30]},
      "count": {"dtype": "I64", "shape": [], "data_offsets": [30, 38]},
      "none": {"dtype": "F32", "shape": [0, 3], "data_offsets": [38, 38]}})";
  // IEEE 754 binary16: 1.5, -2, the smallest subnormal, infinity, 65504
  const std::string data = Raw<uint16_t>({0x3e00, 0xc000, 0x0001, 0x7c00, 0x7bff}) +
                           Raw<uint16_t>({0x3fc0, 0xc000}) + Raw<float>({0.1F, -3}) +
                           Raw<double>({0.1}) + Raw<int64_t>({7});
  ASSERT_OK_AND_ASSIGN(const Tensors tensors, ParseSafe(header, data));
  EXPECT_THAT(tensors,
              ElementsAre(Key("bf16"), Key("double"), Key("half"), Key("none"), Key("single")));
  EXPECT_THAT(tensors.at("half").values,
              ElementsAre(1.5F, -2.0F, std::ldexp(1.0F, -24), INFINITY, 65504.0F));
  EXPECT_THAT(tensors.at("bf16").values, ElementsAre(1.5F, -2.0F));
  EXPECT_THAT(tensors.at("single").values, ElementsAre(0.1F, -3.0F));
  EXPECT_THAT(tensors.at("single").shape, ElementsAre(1, 2));
  EXPECT_THAT(tensors.at("double").values, ElementsAre(0.1F));
  EXPECT_THAT(tensors.at("none").values, IsEmpty());
}

TEST(SafetensorsTest, HostileFilesAreErrors) {
  const std::string data(8, '\0');
  const auto one = [](const std::string& fields) { return R"({"t": {)" + fields + "}}"; };
  const std::string type = R"("dtype": "F32", )";
  const std::vector<std::pair<std::string, std::string>> headers = {
      {one(type + R"("shape": [2], "data_offsets": [0, 9])"), "cut short"},
      {one(type + R"("shape": [2], "data_offsets": [8, 0])"), "cut short"},
      {one(type + R"("shape": [1], "data_offsets": [4, 8])"), "cut short"},  // a gap
      {one(type + R"("shape": [1], "data_offsets": [0, 4])"), "belong to no tensor"},
      {one(type + R"("shape": [3], "data_offsets": [0, 8])"), "not what its shape"},
      {one(type + R"("shape": [-2], "data_offsets": [0, 8])"), "not described"},
      {one(type + R"("shape": [2.5], "data_offsets": [0, 8])"), "not described"},
      {one(type + R"("shape": [4294967296, 4294967296], "data_offsets": [0, 8])"), "impossibl"},
      {one(type + R"("shape": [18446744073709551615], "data_offsets": [0, 8])"), "impossibl"},
      {one(type + R"("shape": [2], "data_offsets": [0, 18446744073709551615])"), "cut short"},
      {one(type + R"("shape": [1,1,1,1,1,1,1,1,2], "data_offsets": [0, 8])"), "not described"},
      {one(type + R"("shape": [2])"), "not described"},
      {one(R"("shape": [2], "data_offsets": [0, 8])"), "not described"},
      {R"({"t": 3})", "not described"},
      {R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
           "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})",
       "cut short"},  // an overlap
      {"[]", "not a JSON object"},
      {"{", "not a JSON object"},
      {std::string(100'000, '['), "not a JSON object"},
  };
  for (const auto& [header, said] : headers) {
    EXPECT_THAT(ParseSafe(header, data).status().message(), HasSubstr(said))
        << header.substr(0, 100);
  }
  EXPECT_THAT(ParseSafetensors(AsBytes("short")).status().message(), HasSubstr("too short"));
  for (const uint64_t size : {uint64_t{100}, uint64_t{1} << 40, UINT64_MAX}) {
    EXPECT_THAT(ParseSafetensors(AsBytes(Raw64(size) + "{}")).status().message(),
                HasSubstr("its header would take"));
  }
}

// Pickles ------------------------------------------------------------------------------------

// The instructions of a pickle, protocol 2, as torch.save writes them.
const std::string kProto = "\x80\x02";
std::string Global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string Text(const std::string& text) {
  return "X" + Raw<uint32_t>({static_cast<uint32_t>(text.size())}) + text;
}
std::string Int(int32_t value) { return "J" + Raw<int32_t>({value}); }
std::string Long(int64_t value) { return std::string("\x8a\x08", 2) + Raw<int64_t>({value}); }
std::string Tuple(const std::string& items) { return "(" + items + "t"; }
std::string Ints(const std::vector<int64_t>& values) {
  std::string items;
  for (const int64_t value : values) items += Long(value);
  return Tuple(items);
}
std::string Storage(const std::string& type, const std::string& key) {
  return Tuple(Text("storage") + Global("torch", type) + Text(key) + Text("cpu") + Int(6)) + "Q";
}
std::string TensorOf(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                     const std::vector<int64_t>& strides) {
  return Global("torch._utils", "_rebuild_tensor_v2") +
         Tuple(storage + Long(offset) + Ints(shape) + Ints(strides) + "\x89" +
               Global("collections", "OrderedDict") + ")R") +
         "R";
}
std::string Dict(const std::string& items) {
  return Global("collections", "OrderedDict") + ")R(" + items + "u";
}

std::string Torch(const fs::path& path, const std::string& pickle,
                  const std::vector<std::pair<std::string, std::string>>& storages,
                  int compression = ZIP_CM_STORE) {
  int error = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  const auto add = [&](const std::string& name, const std::string& data) {
    zip_source_t* source = zip_source_buffer(zip, data.data(), data.size(), 0);
    const zip_int64_t index = zip_file_add(zip, name.c_str(), source, ZIP_FL_OVERWRITE);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), compression, 0);
  };
  add("archive/data.pkl", pickle);
  for (const auto& [name, data] : storages) add("archive/" + name, data);
  zip_close(zip);
  return path.string();
}

Result<Tensors> ReadTorch(const std::string& pickle, const std::string& storage,
                          int compression = ZIP_CM_STORE) {
  const TempFolder folder;
  return ReadWeights(Torch(folder.path() / "w.pth", pickle, {{"data/0", storage}}, compression));
}

const std::string kSix = Raw<float>({1, 2, 3, 4, 5, 6});

TEST(TorchTest, StridesOffsetsAndMemosAreHonoured) {
  const std::string metadata = "}" + Text("_metadata") + Dict("") + "sb";  // as BUILD sets it
  const std::string pickle =
      kProto +
      Dict(Text("plain") + TensorOf(Storage("FloatStorage", "0") + "q\x05", 0, {2, 3}, {3, 1}) +
           Text("transposed") + TensorOf("h\x05", 0, {3, 2}, {1, 3}) + Text("tail") +
           TensorOf("h\x05", 4, {2}, {1}) + Text("scalar") + TensorOf("h\x05", 5, {}, {}) +
           Text("parameter") + Global("torch._utils", "_rebuild_parameter") +
           Tuple(TensorOf("h\x05", 1, {2}, {2}) + "\x88" + Global("collections", "OrderedDict") +
                 ")R") +
           "R" + Text("bn.num_batches_tracked") +
           TensorOf(Storage("LongStorage", "absent"), 0, {}, {}) + Text("epoch") + Int(90)) +
      metadata + ".";
  ASSERT_OK_AND_ASSIGN(const Tensors tensors, ReadTorch(pickle, kSix));
  EXPECT_THAT(tensors, ElementsAre(Key("parameter"), Key("plain"), Key("scalar"), Key("tail"),
                                   Key("transposed")));
  EXPECT_THAT(tensors.at("plain").values, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(tensors.at("transposed").values, ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(tensors.at("transposed").shape, ElementsAre(3, 2));
  EXPECT_THAT(tensors.at("tail").values, ElementsAre(5, 6));
  EXPECT_THAT(tensors.at("scalar").values, ElementsAre(6));
  EXPECT_THAT(tensors.at("parameter").values, ElementsAre(2, 4));
}

TEST(TorchTest, EveryFloatingStorageBecomesFloat) {
  const auto one = [](const std::string& type) {
    return kProto + Dict(Text("t") + TensorOf(Storage(type, "0"), 0, {2}, {1})) + ".";
  };
  const auto read = [&](const std::string& type, const std::string& storage) {
    const Result<Tensors> tensors = ReadTorch(one(type), storage);
    EXPECT_TRUE(tensors.ok()) << tensors.status();
    return tensors.ok() ? tensors->at("t").values : std::vector<float>();
  };
  EXPECT_THAT(read("HalfStorage", Raw<uint16_t>({0x3e00, 0xc000})), ElementsAre(1.5F, -2));
  EXPECT_THAT(read("BFloat16Storage", Raw<uint16_t>({0x3fc0, 0xc000})), ElementsAre(1.5F, -2));
  EXPECT_THAT(read("FloatStorage", Raw<float>({0.1F, -3})), ElementsAre(0.1F, -3));
  EXPECT_THAT(read("DoubleStorage", Raw<double>({0.1, -3})), ElementsAre(0.1F, -3));
}

TEST(TorchTest, AStateDictInsideACheckpointIsFound) {
  const std::string inner = Dict(Text("t") + TensorOf(Storage("FloatStorage", "0"), 0, {6}, {1}));
  ASSERT_OK_AND_ASSIGN(
      const Tensors tensors,
      ReadTorch(kProto + "}(" + Text("epoch") + Int(3) + Text("state_dict") + inner + "u.", kSix));
  EXPECT_THAT(tensors, ElementsAre(Key("t")));
}

TEST(TorchTest, WhatIsNoTensorIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"os", "system"},
      {"posix", "system"},
      {"builtins", "eval"},
      {"torch.nn.modules.conv", "Conv2d"},
      {"torch", "load"},
      {"torch._utils", "_rebuild_tensor"},
      {"torch", "IntStorage"},
      {"collections", "OrderedDict.fromkeys"},
      {"numpy.core.multiarray", "_reconstruct"},
  };
  for (const auto& [module, name] : names) {
    for (const std::string& asking : {Global(module, name), Text(module) + Text(name) + "\x93"}) {
      const Status status =
          ReadTorch(kProto + asking + Tuple(Text("echo owned")) + "R.", kSix).status();
      EXPECT_THAT(status.message(), HasSubstr("asks for " + module + "." + name));
      EXPECT_THAT(status.message(), HasSubstr("w.pth"));
    }
  }
}

TEST(TorchTest, OtherInstructionsAreRefused) {
  // INST, OBJ, NEWOBJ, EXT1, PERSID, NEWOBJ_EX, BUILD on a tensor
  const std::vector<std::string> instructions = {
      "(ios\nsystem\n",
      "(" + Global("collections", "OrderedDict") + "o",
      Global("collections", "OrderedDict") + ")\x81",
      "\x82\x01",
      "P1\n",
      Global("collections", "OrderedDict") + ")}\x92",
      TensorOf(Storage("FloatStorage", "0"), 0, {1}, {1}) + "}b"};
  for (const std::string& instruction : instructions) {
    EXPECT_FALSE(ReadTorch(kProto + instruction + ".", kSix).ok()) << instruction;
  }
}

TEST(TorchTest, ViewsBeyondTheirStorageAreErrors) {
  const int64_t huge = std::numeric_limits<int64_t>::max();
  const std::vector<std::tuple<int64_t, std::vector<int64_t>, std::vector<int64_t>>> views = {
      {0, {7}, {1}},
      {1, {6}, {1}},
      {0, {2, 3}, {4, 1}},
      {-1, {1}, {1}},
      {0, {2}, {-1}},
      {0, {huge}, {1}},
      {0, {2}, {huge}},
      {huge, {1}, {1}},
      {0, {1 << 30}, {0}},
      {0, {2, 2}, {1}},
      {0, {-2}, {1}},
      {0, {3, 3}, {huge, huge}},
      {6, {}, {}},
      {0, {huge, huge}, {1, 1}},
      {0, {0, huge}, {1, 1}},
  };
  for (const auto& [offset, shape, strides] : views) {
    const Status status =
        ReadTorch(
            kProto +
                Dict(Text("t") + TensorOf(Storage("FloatStorage", "0"), offset, shape, strides)) +
                ".",
            kSix)
            .status();
    EXPECT_THAT(status.message(), HasSubstr("tensor t")) << offset << " " << shape.size();
  }
}

TEST(TorchTest, FilesThatWouldGrowAreErrors) {
  const auto tensor = [](const std::string& storage) { return TensorOf(storage, 0, {6}, {1}); };
  // One storage seen a thousand times.
  std::string many = Text("t") + tensor(Storage("FloatStorage", "0") + "q\x01");
  for (int i = 0; i < 1000; ++i) many += Text(std::to_string(i)) + tensor("h\x01");
  EXPECT_TRUE(ReadTorch(kProto + Dict(many) + ".", kSix).ok());  // 24 kB in a file of 100 kB
  const std::string large(std::size_t{1} << 20, '\0');
  std::string larger =
      Text("t") + TensorOf(Storage("FloatStorage", "0") + "q\x01", 0, {1 << 18}, {1});
  for (int i = 0; i < 20; ++i) {
    larger += Text(std::to_string(i)) + TensorOf("h\x01", 0, {1 << 18}, {1});
  }
  EXPECT_THAT(ReadTorch(kProto + Dict(larger) + ".", large).status().message(),
              HasSubstr("larger than a file of this size can hold"));
  // A zip bomb: a compressed storage.
  EXPECT_THAT(ReadTorch(kProto + Dict(Text("t") + tensor(Storage("FloatStorage", "0"))) + ".",
                        large, ZIP_CM_DEFLATE)
                  .status()
                  .message(),
              HasSubstr("compressed"));
}

TEST(TorchTest, ListsThatMultiplyAreErrors) {
  // A list of 60,000 pairs, made into a dict a thousand times.
  std::string pairs = "](";
  for (int i = 0; i < 60'000; ++i) pairs += i == 0 ? Tuple(Int(1) + Int(2)) + "q\x02" : "h\x02";
  std::string pickle = kProto + pairs + "eq\x03";
  for (int i = 0; i < 1000; ++i) pickle += Global("collections", "OrderedDict") + "h\x03\x85R";
  EXPECT_THAT(Pickle::Load(AsBytes(pickle + ".")).status().message(), HasSubstr("too many"));
}

TEST(TorchTest, AnObjectMayContainItself) {
  const std::string loop = kProto +
                           "]q\x01h\x01"
                           "a.";
  ASSERT_OK_AND_ASSIGN(const Pickle pickle, Pickle::Load(AsBytes(loop)));
  EXPECT_EQ(pickle.size(), loop.size());
  EXPECT_FALSE(pickle.StateDict().ok());
}

TEST(TorchTest, EveryTruncationIsAnError) {
  const std::string pickle =
      kProto + Dict(Text("t") + TensorOf(Storage("FloatStorage", "0"), 0, {6}, {1})) + ".";
  for (size_t size = 0; size < pickle.size(); ++size) {
    EXPECT_FALSE(Pickle::Load(AsBytes(pickle).first(size)).ok()) << size;
  }
  EXPECT_TRUE(Pickle::Load(AsBytes(pickle)).ok());
}

TEST(TorchTest, EveryByteMayBeWrong) {
  const std::string pickle =
      kProto + Dict(Text("t") + TensorOf(Storage("FloatStorage", "0"), 0, {6}, {1})) + ".";
  for (size_t i = 0; i < pickle.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = pickle;
      changed[i] = static_cast<char>(byte);
      const Result<Pickle> loaded = Pickle::Load(AsBytes(changed));
      if (loaded.ok()) (void)loaded->StateDict();
    }
  }
}

TEST(TorchTest, DamagedZipsAreErrors) {
  const TempFolder folder;
  const std::string pickle =
      kProto + Dict(Text("t") + TensorOf(Storage("FloatStorage", "0"), 0, {6}, {1})) + ".";
  const fs::path path = Torch(folder.path() / "w.pth", pickle, {{"data/0", kSix}});
  const std::string whole = ReadAll(path);
  const fs::path cut = folder.Write("cut.pth", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(ReadWeights(cut).status().message(), HasSubstr("cut.pth: it is a zip that is cut"));
  std::string flipped = whole;
  flipped[whole.find(kSix) + 3] ^= 1;
  EXPECT_THAT(ReadWeights(folder.Write("flipped.pth", flipped)).status().message(),
              HasSubstr("corrupt"));
  const fs::path absent = Torch(folder.path() / "absent.pth", pickle, {});
  EXPECT_THAT(ReadWeights(absent).status().message(), HasSubstr("no archive/data/0"));
  const fs::path big =
      Torch(folder.path() / "big.pth", pickle, {{"data/0", kSix}, {"byteorder", "big"}});
  EXPECT_THAT(ReadWeights(big).status().message(), HasSubstr("big-endian"));
}

TEST(TorchTest, TheFormatBefore16IsRead) {
  const std::string magic =
      kProto + std::string("\x8a\x0a", 2) + "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const std::string state =
      kProto +
      Dict(Text("a") + TensorOf(Storage("FloatStorage", "11"), 0, {2, 3}, {1, 2}) + Text("n") +
           TensorOf(Storage("LongStorage", "12"), 0, {}, {}) + Text("b") +
           TensorOf(Storage("HalfStorage", "13"), 0, {1}, {1})) +
      ".";
  const std::string head = magic + kProto + Int(1001) + "." + kProto + "}." + state + kProto +
                           "](" + Text("11") + Text("12") + Text("13") + "e.";
  const std::string file =
      head + Raw64(6) + kSix + Raw64(1) + Raw<int64_t>({90}) + Raw64(1) + Raw<uint16_t>({0x3e00});
  const TempFolder folder;
  ASSERT_OK_AND_ASSIGN(const Tensors tensors, ReadWeights(folder.Write("old.pth", file)));
  EXPECT_THAT(tensors, ElementsAre(Key("a"), Key("b")));
  EXPECT_THAT(tensors.at("a").values, ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_THAT(tensors.at("b").values, ElementsAre(1.5F));
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseTorchLegacy(AsBytes(file).first(size)).ok()) << size;
  }
  EXPECT_FALSE(ParseTorchLegacy(AsBytes(head + Raw64(UINT64_MAX) + kSix)).ok());
}

// Keras --------------------------------------------------------------------------------------

class KerasFile {
 public:
  explicit KerasFile(const fs::path& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  KerasFile(const KerasFile&) = delete;
  KerasFile& operator=(const KerasFile&) = delete;
  ~KerasFile() { H5Fclose(file_); }

  hid_t file() const { return file_; }

  // Fixed-length strings as NumPy writes them, or variable-length ones.
  static void Names(hid_t object, const char* name, const std::vector<std::string>& values,
                    bool variable = false) {
    const hsize_t count = values.size();
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t type = H5Tcopy(H5T_C_S1);
    constexpr size_t kWidth = 40;
    H5Tset_size(type, variable ? H5T_VARIABLE : kWidth);
    const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    std::string fixed;
    std::vector<const char*> pointers;
    for (const std::string& value : values) {
      fixed += value + std::string(kWidth - value.size(), '\0');
      pointers.push_back(value.c_str());
    }
    if (count > 0) {
      H5Awrite(attribute, type,
               variable ? static_cast<const void*>(pointers.data()) : fixed.data());
    }
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
  }

  hid_t Group(const std::string& name) const {
    return H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  }

  static void Dataset(hid_t group, const std::string& name, const std::vector<hsize_t>& shape,
                      const std::vector<double>& values) {
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t set =
        H5Dcreate2(group, name.c_str(), H5T_IEEE_F64LE, space, links, H5P_DEFAULT, H5P_DEFAULT);
    if (!values.empty()) {
      H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    }
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(links);
  }

 private:
  hid_t file_;
};

class KerasTest : public ::testing::TestWithParam<bool> {
 protected:
  const TempFolder folder_;
  const fs::path path_ = folder_.path() / "w.h5";
};

TEST_P(KerasTest, BothSpellingsNestedGroupsAndLayersWithoutWeights) {
  {
    const KerasFile file(path_);
    KerasFile::Names(file.file(), "layer_names", {"input_1", "conv1_conv", "old", "deep"},
                     GetParam());
    const hid_t empty = file.Group("input_1");
    KerasFile::Names(empty, "weight_names", {}, GetParam());
    const hid_t conv = file.Group("conv1_conv");
    KerasFile::Names(conv, "weight_names", {"conv1_conv/kernel:0", "conv1_conv/bias:0"},
                     GetParam());
    KerasFile::Dataset(conv, "conv1_conv/kernel:0", {1, 1, 2, 2}, {1, 2, 3, 4});
    KerasFile::Dataset(conv, "conv1_conv/bias:0", {2}, {0.1, 0.2});
    const hid_t old = file.Group("old");
    KerasFile::Names(old, "weight_names", {"gamma"}, GetParam());
    KerasFile::Dataset(old, "gamma", {1}, {5});
    const hid_t deep = file.Group("deep");
    KerasFile::Names(deep, "weight_names", {"model/block/deep_1/beta:0"}, GetParam());
    KerasFile::Dataset(deep, "model/block/deep_1/beta:0", {1}, {6});
    for (const hid_t group : {empty, conv, old, deep}) H5Gclose(group);
  }
  ASSERT_OK_AND_ASSIGN(const Tensors tensors, ReadWeights(path_));
  EXPECT_THAT(tensors, ElementsAre(Key("conv1_conv/bias"), Key("conv1_conv/kernel"),
                                   Key("deep/beta"), Key("old/gamma")));
  EXPECT_THAT(tensors.at("conv1_conv/kernel").shape, ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(tensors.at("conv1_conv/kernel").values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(tensors.at("conv1_conv/bias").values, ElementsAre(0.1F, 0.2F));
}

INSTANTIATE_TEST_SUITE_P(StringTypes, KerasTest, ::testing::Bool(), [](const auto& param) {
  return param.param ? "VariableLength" : "FixedLength";
});

TEST(KerasErrorTest, FilesThatLieAreErrors) {
  const TempFolder folder;
  const fs::path path = folder.path() / "w.h5";
  const auto message = [&] { return ReadWeights(path).status().message(); };
  const auto make = [&](const auto& fill) {
    const KerasFile file(path);
    KerasFile::Names(file.file(), "layer_names", {"a"});
    const hid_t group = file.Group("a");
    fill(group);
    H5Gclose(group);
  };

  { const KerasFile nothing(path); }
  EXPECT_THAT(message(), HasSubstr("no attribute 'layer_names'"));
  {
    const KerasFile file(path);
    KerasFile::Names(file.file(), "layer_names", {"a"});
  }
  EXPECT_THAT(message(), HasSubstr("layer a is listed but not there"));
  make([](hid_t) {});
  EXPECT_THAT(message(), HasSubstr("layer a: attribute 'weight_names': is missing"));
  make([](hid_t group) { KerasFile::Names(group, "weight_names", {"kernel"}); });
  EXPECT_THAT(message(), HasSubstr("tensor a/kernel: is listed but not there"));
  make([](hid_t group) {  // a terabyte of fill value
    KerasFile::Names(group, "weight_names", {"kernel"});
    KerasFile::Dataset(group, "kernel", {1 << 20, 1 << 18}, {});
  });
  EXPECT_THAT(message(), HasSubstr("larger than a file of this size can hold"));
  const fs::path other = folder.path() / "other.h5";
  {
    const KerasFile file(other);
    KerasFile::Dataset(file.file(), "kernel", {1}, {42});
  }
  make([&](hid_t group) {  // a link out of the file
    KerasFile::Names(group, "weight_names", {"kernel"});
    H5Lcreate_external(other.c_str(), "kernel", group, "kernel", H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(message(), HasSubstr("tensor a/kernel: is listed but not there"));
}

TEST(KerasErrorTest, CutFilesAreErrors) {
  const TempFolder folder;
  const std::string whole = ReadAll(TestWeights("resnet50.h5"));
  const fs::path cut = folder.Write("cut.h5", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(ReadWeights(cut).status().message(), HasSubstr("cut.h5: "));
  EXPECT_THAT(ReadWeights(cut).status().message(), HasSubstr("cut short"));
}

// Any ----------------------------------------------------------------------------------------

TEST(WeightsTest, TheThreeLayoutsOfResnet50HoldWhatTheyShould) {
  ASSERT_OK_AND_ASSIGN(const Tensors pth, ReadWeights(TestWeights("resnet50.pth")));
  ASSERT_OK_AND_ASSIGN(const Tensors safe, ReadWeights(TestWeights("resnet50.safetensors")));
  ASSERT_OK_AND_ASSIGN(const Tensors keras, ReadWeights(TestWeights("resnet50.h5")));
  EXPECT_THAT(pth, SizeIs(267));    // 53 convolutions, 4 for each of 53 norms, 2 of fc
  EXPECT_THAT(keras, SizeIs(318));  // and 53 biases, but no classifier
  ASSERT_THAT(safe, SizeIs(pth.size()));
  for (const auto& [name, tensor] : pth) {
    EXPECT_EQ(tensor.shape, safe.at(name).shape) << name;
    EXPECT_TRUE(tensor.values == safe.at(name).values) << name;
  }
}

TEST(WeightsTest, OtherFilesAreSaidToBeNone) {
  const TempFolder folder;
  const auto message = [](const fs::path& path) { return ReadWeights(path).status().message(); };
  EXPECT_THAT(message(folder.path() / "absent"), HasSubstr("absent: it is not a file"));
  EXPECT_THAT(message(folder.path()), HasSubstr("it is not a file"));
  EXPECT_THAT(message(folder.Write("empty", "")), HasSubstr("too short"));
  EXPECT_THAT(message(folder.Write("text", "<!DOCTYPE html><html>")), HasSubstr("neither Keras"));
  EXPECT_FALSE(ReadWeights("/dev/null").ok());
}

}  // namespace
}  // namespace pomona::model
