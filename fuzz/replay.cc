// Runs a fuzz target without libFuzzer, so that every build tests it: on every file of the given
// folders, then on ITERATIONS mutations of them. The same arguments try the same inputs.
// usage: <target>_replay ITERATIONS FOLDER...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMostBytes = 1 << 16;  // of an input that is mutated
constexpr int kMostMutations = 6;       // of one input

std::vector<Bytes> ReadAll(const std::vector<std::string>& folders) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> all;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return all;
}

// The changes that libFuzzer makes most often.
class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& seeds) : seeds_(seeds) {}

  Bytes Next() {
    Bytes input = Seed();
    const size_t count = 1 + Below(kMostMutations);
    for (size_t i = 0; i < count; ++i) Change(&input);
    return input;
  }

 private:
  // Not of std::uniform_int_distribution, which differs between libraries.
  size_t Below(size_t n) { return n == 0 ? 0 : random_() % n; }

  Bytes Seed() {
    Bytes seed = seeds_[Below(seeds_.size())];
    if (seed.size() > kMostBytes) seed.resize(kMostBytes);
    return seed;
  }

  void Change(Bytes* input) {
    if (input->empty()) input->push_back(0);
    const size_t at = Below(input->size());
    const auto place = input->begin() + static_cast<std::ptrdiff_t>(at);
    switch (Below(7)) {
      case 0:
        (*input)[at] ^= static_cast<uint8_t>(1U << Below(8));
        break;
      case 1:
        (*input)[at] = static_cast<uint8_t>(Below(256));
        break;
      case 2:
        input->resize(at);
        break;
      case 3:
        input->erase(place, place + static_cast<std::ptrdiff_t>(
                                        1 + Below(std::min<size_t>(64, input->size() - at))));
        break;
      case 4:
        input->insert(place, 1 + Below(64), static_cast<uint8_t>(Below(256)));
        break;
      case 5:
        SetNumber(input, at);
        break;
      default:
        Splice(input, at);
    }
  }

  // Lengths and counts that nobody has.
  void SetNumber(Bytes* input, size_t at) {
    constexpr uint64_t kNumbers[] = {0, 1, 0x7f, 0x80, 0xffff, 0x7fffffff, 0x80000000, ~0ULL};
    uint64_t number = kNumbers[Below(std::size(kNumbers))];
    const size_t width = size_t{1} << Below(4);
    for (size_t i = at; i < std::min(input->size(), at + width); ++i, number >>= 8) {
      (*input)[i] = static_cast<uint8_t>(number);
    }
  }

  void Splice(Bytes* input, size_t at) {
    const Bytes other = Seed();
    input->resize(at);
    input->insert(input->end(), other.begin() + static_cast<std::ptrdiff_t>(Below(other.size())),
                  other.end());
  }

  const std::vector<Bytes>& seeds_;
  std::mt19937_64 random_{20'622};
};

// The input in work lies in a file, which is still there after a crash.
void Try(const Bytes& input, const std::string& file) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s ITERATIONS FOLDER...\n", argv[0]);
    return 2;
  }
  const long iterations = std::strtol(argv[1], nullptr, 10);
  const std::vector<Bytes> seeds = ReadAll({argv + 2, argv + argc});
  if (seeds.empty()) {
    std::fprintf(stderr, "no file to start from\n");
    return 2;
  }
  const std::string last = std::string(argv[0]) + "-input";
  for (const Bytes& seed : seeds) Try(seed, last);
  Mutator mutator(seeds);
  for (long i = 0; i < iterations; ++i) Try(mutator.Next(), last);
  fs::remove(last);
  std::printf("%zu files and %ld mutations of them\n", seeds.size(), iterations);
  return 0;
}
