// Writes the files that fuzzing starts from, but for images, which the repository has:
// fuzz_seeds FOLDER makes FOLDER/<target>/*.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>
#include <nlohmann/json.hpp>

#include "pomona/dataset/manifest.h"
#include "pomona/dataset/part.h"

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using nlohmann::json;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

template <typename T>
T OrDie(arrow::Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  std::exit(1);
}

void OrDie(const arrow::Status& status) { OrDie(status.ok() ? arrow::Result<int>(0) : status); }

class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) { fs::create_directories(path_); }

  void Write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }

 private:
  fs::path path_;
};

void WriteManifests(const Folder& folder) {
  pomona::dataset::Manifest manifest;
  manifest.tool = "pomona";
  manifest.source = "images";
  manifest.label = "folder";
  manifest.recipe = {{"version", 1}, {"width", 224}, {"denoise", "nlm:3"}};
  manifest.model = {{"id", "small"}, {"identity", {{"output", {{"dimension", 48}}}}}};
  folder.Write("empty", ToText(manifest));
  for (int64_t rows : {3, 1024}) manifest.parts.push_back({kKey, rows, 2, 4096, kKey});
  manifest.ignored = 1;
  folder.Write("parts", ToText(manifest));
  manifest.removed = 2;
  manifest.removed_hash = kKey;
  manifest.precision_choice = {{"precision", "bf16"}, {"cosine", 0.99}};
  folder.Write("choice", ToText(manifest));
}

void WriteParts(const Folder& folder) {
  using namespace pomona::dataset;
  Part part;
  part.dimension = 3;
  const auto write = [&](const std::string& name) {
    const auto file = OrDie(EncodePart(part, {kKey, kKey, kKey}));
    folder.Write(name,
                 {reinterpret_cast<const char*>(file->data()), static_cast<size_t>(file->size())});
  };
  write("no-rows");
  for (int i = 0; i < 40; ++i) {
    part.rows.push_back(
        {"fruit/" + std::to_string(i) + ".jpg", "fruit", 100, 80, 4321, kKey, std::to_string(i)});
    for (int j = 0; j < part.dimension; ++j) {
      part.features.push_back(static_cast<float>(i) / static_cast<float>(1 + j));
    }
  }
  part.rows[1].label = std::nullopt;
  part.rows[2].damage = "cut";
  write("rows");
  pomona::Rejection why{pomona::Reason::kTooLarge, "60000x60000 pixels", 17, 3'600'000'000, 12};
  part.rejected.push_back({"bad.jpg", "fruit", 12, "1", why, 1});
  write("rejected");
}

void WriteTables(const Folder& folder) {
  folder.Write("labels", "path,label\na.jpg,Lemon\n\"b, c.jpg\",\"say \"\"hi\"\"\"\n");
  folder.Write("class", "class,path,x\r\n1,/dev/null,2\r\n,sub/d.png,\r\n");
  folder.Write("paths", "path\n\"with\nbreak.jpg\"\n\n\xff.jpg\na.jpg\na.jpg\n");
  folder.Write("broken", "path,label\na.jpg\nb.jpg,Lemon,3\n\"open");
}

void WriteTars(const Folder& folder) {
  for (const int format :
       {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FORMAT_TAR_GNUTAR}) {
    std::string out(1 << 16, '\0');
    size_t used = 0;
    archive* tar = archive_write_new();
    archive_write_set_format(tar, format);
    archive_write_set_bytes_in_last_block(tar, 1);
    archive_write_open_memory(tar, out.data(), out.size(), &used);
    for (const std::string& name : {"Lemon/0.jpg"s, "notes.txt"s, std::string(150, 'n') + ".png"}) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, name.c_str());
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_perm(entry, 0644);
      archive_entry_set_mtime(entry, 1'700'000'000, 5);
      archive_entry_set_size(entry, 700);
      archive_write_header(tar, entry);
      archive_write_data(tar, std::string(700, 'x').data(), 700);
      archive_entry_free(entry);
    }
    archive_entry* link = archive_entry_new();
    archive_entry_set_pathname(link, "Lemon/1.jpg");
    archive_entry_set_filetype(link, AE_IFREG);
    archive_entry_set_perm(link, 0644);
    archive_entry_set_hardlink(link, "Lemon/0.jpg");
    archive_write_header(tar, link);
    archive_entry_free(link);
    if (archive_write_close(tar) != ARCHIVE_OK) std::exit(1);
    archive_write_free(tar);
    folder.Write(std::to_string(format), std::string_view(out).substr(0, used));
  }
}

// Columns path and content, as Spark's binaryFile format has them.
void WriteColumns(const Folder& folder) {
  arrow::StringBuilder paths;
  arrow::BinaryBuilder contents;
  arrow::Int64Builder lengths;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  for (int i = 0; i < 20; ++i) {
    OrDie(paths.Append("file:/fruit/" + std::to_string(i) + ".jpg"));
    OrDie(contents.Append(std::string(static_cast<size_t>(i), 'x')));
    OrDie(lengths.Append(i));
    OrDie(times.Append(1'700'000'000'000'000 + i));
  }
  const auto schema = arrow::schema(
      {arrow::field("path", arrow::utf8()), arrow::field("content", arrow::binary()),
       arrow::field("length", arrow::int64()), arrow::field("modificationTime", times.type())});
  const auto table = arrow::Table::Make(schema, {OrDie(paths.Finish()), OrDie(contents.Finish()),
                                                 OrDie(lengths.Finish()), OrDie(times.Finish())});
  for (const int columns : {2, 4}) {
    const auto sink = OrDie(arrow::io::BufferOutputStream::Create());
    std::vector<int> chosen(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) chosen[static_cast<size_t>(i)] = i;
    OrDie(parquet::arrow::WriteTable(*OrDie(table->SelectColumns(chosen)),
                                     arrow::default_memory_pool(), sink, 7));
    folder.Write(std::to_string(columns), OrDie(sink->Finish())->ToString());
  }
}

std::string Number(uint64_t value, size_t bytes) {  // little-endian
  std::string out(bytes, '\0');
  std::memcpy(out.data(), &value, bytes);
  return out;
}

// A state dict of one 2x2 tensor, as torch.save pickles it (pickletools.py names the opcodes).
std::string StateDict() {
  const auto text = [](const std::string& s) { return "X" + Number(s.size(), 4) + s; };
  const std::string dict = "ccollections\nOrderedDict\n)R";
  const std::string storage =
      "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\x04tQ";
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K"s + '\0' +
                             "(K\x02K\x02t(K\x02K\x01t\x89" + dict + "tR";
  return "\x80\x02" + dict + "(" + text("layer.weight") + tensor + "u.";
}

// The first byte chooses the reader (weights_fuzz.cc).
void WriteWeights(const Folder& folder) {
  const json header = {
      {"a.weight", {{"dtype", "F32"}, {"shape", {2, 2}}, {"data_offsets", {0, 16}}}},
      {"b", {{"dtype", "BF16"}, {"shape", {3}}, {"data_offsets", {16, 22}}}},
      {"__metadata__", {{"format", "pt"}}}};
  const std::string text = header.dump();
  folder.Write("safetensors", "\0"s + Number(text.size(), 8) + text + std::string(22, '\1'));
  const std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const std::string keys = "\x80\x02]X\x01\0\0\0"s + "0a.";
  folder.Write("legacy", "\1" + magic + "\x80\x02M\xe9\x03." + "\x80\x02}." + StateDict() + keys +
                             Number(4, 8) + std::string(16, '\1'));
  folder.Write("pickle", "\2" + StateDict());
  folder.Write("texts", "\2" + keys);
}

void WriteCards(const Folder& folder) {
  json card = {{"id", "small"},
               {"task", "image-features"},
               {"description", "mean colour of 16 tiles"},
               {"licence", "Apache-2.0"},
               {"architecture", "graph"},
               {"weights", {{"file", "small.xml"}}},
               {"input",
                {{"width", 64},
                 {"height", 64},
                 {"channels", "rgb"},
                 {"mean", {127, 127, 127}},
                 {"scale", {128, 128, 128}}}},
               {"output", {{"node", "features"}, {"dimension", 48}}}};
  folder.Write("graph", card.dump());
  card["architecture"] = "resnet50-keras";
  card["weights"] = {{"url", "https://example.org/w.h5"}, {"md5", std::string(32, 'a')}};
  folder.Write("keras", card.dump());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const fs::path top = argv[1];
  WriteManifests(Folder(top / "manifest"));
  WriteParts(Folder(top / "part"));
  WriteTables(Folder(top / "csv"));
  WriteTars(Folder(top / "tar"));
  WriteColumns(Folder(top / "columns"));
  WriteWeights(Folder(top / "weights"));
  WriteCards(Folder(top / "card"));
  return 0;
}
