#include "pomona/precision/quantize.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "pomona/base/environment.h"
#include "pomona/base/hash.h"
#include "pomona/base/text.h"
#include "pomona/model/checksum.h"
#include "pomona/model/export.h"
#include "pomona/model/network.h"
#include "pomona/model/runner.h"
#include "pomona/precision/process.h"

namespace pomona::precision {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMostChecked = 256;
constexpr int kF32Convolutions[] = {0, 2, 4, 8, 16};  // tried in turn

// A folder for the files that the quantizer reads and writes; removed at the end.
class WorkFolder {
 public:
  static Result<std::unique_ptr<WorkFolder>> Make() {
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "pomona-quantize-XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr) {
      return Status::IOError("cannot make a temporary folder ", name);
    }
    return std::unique_ptr<WorkFolder>(new WorkFolder(name));
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  explicit WorkFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

struct Images {
  PreparedSample all;
  size_t calibration = 0;  // the first so many; the rest are for the check
  std::span<const image::Image> calibrate() const {
    return std::span(all.images).first(calibration);
  }
  std::span<const image::Image> check() const { return std::span(all.images).subspan(calibration); }
};

Result<Images> TakeImages(const io::Source& source, const QuantizeOptions& options,
                          const Observer& observer, const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(const io::Listing listing, source.List(observer, stop));
  const auto entries = StratifiedSample(listing.entries, options.images + kMostChecked);
  Images images;
  ARROW_ASSIGN_OR_RAISE(images.all, PrepareSample(source, entries, options.sample, observer, stop));
  const auto usable = static_cast<int64_t>(images.all.images.size());
  if (usable < 2 * kFewestCalibration) {
    return UsageError(
        "int8 needs " + std::to_string(2 * kFewestCalibration) + " or more usable images (" +
        std::to_string(kFewestCalibration) + " to calibrate on and others to check with; 300 and " +
        "more are better), but " + Quoted(source.uri()) + " has " + WithThousands(usable) +
        (images.all.unusable > 0 ? " and " + Counted(images.all.unusable, "unusable one") : ""));
  }
  const int64_t checked = std::clamp(usable / 3, kFewestCalibration, kMostChecked);
  images.calibration = static_cast<size_t>(std::min(options.images, usable - checked));
  return images;
}

Status WriteImages(std::span<const image::Image> images, const fs::path& file) {
  std::ofstream out(file, std::ios::binary);
  for (const image::Image& image : images) {
    out.write(reinterpret_cast<const char*>(image.rgb.data()),
              static_cast<std::streamsize>(image.rgb.size()));
  }
  out.close();
  return out ? Status::OK() : Status::IOError("cannot write ", file.string());
}

std::string LastLine(const fs::path& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return ToUtf8(last);
}

// $POMONA_PYTHON or, beside a clone's models/, .venv-quantize. The error says what to run.
Result<fs::path> FindPython() {
  fs::path python = Env("POMONA_PYTHON");
  if (python.empty()) {
    python = model::OwnCardFolder().parent_path() / ".venv-quantize/bin/python";
  }
  if (access(python.c_str(), X_OK) == 0) return python;
  return UsageError("int8 models are made with Python and NNCF, and there is no " +
                    Quoted(python.string()) +
                    ": run `scripts/setup quantize` in Pomona's clone, "
                    "or set POMONA_PYTHON to a Python that has requirements/quantize.txt");
}

// Makes int8.xml and int8.bin in the work folder.
Status RunNncf(const fs::path& python, const WorkFolder& work, int f32_convolutions,
               const std::stop_token& stop) {
  const fs::path script = model::OwnCardFolder() / "quantize.py";
  ARROW_ASSIGN_OR_RAISE(const int code,
                        RunProcess({python.string(), script.string(), work.path().string(),
                                    std::to_string(f32_convolutions)},
                                   work / "log", stop));
  if (code == 0) return Status::OK();
  return Status::UnknownError(python.string(), " ", script.string(), " failed (exit code ", code,
                              "): ", LastLine(work / "log"),
                              "; has this Python what requirements/quantize.txt lists "
                              "(`scripts/setup quantize`)?");
}

json Calibration(const Images& images, int f32_convolutions, const QuantizeOptions& options,
                 const std::string& pixels) {
  return {{"images", images.calibration},
          {"pixels", pixels},
          {"recipe", image::ToJson(options.sample.recipe)},
          {"f32_convolutions", f32_convolutions}};
}

json Int8CardJson(const model::Card& base, const std::string& base_sha256,
                  const std::string& sha256, const json& calibration, const json& agreement) {
  const std::string id = model::Int8Id(base.id);
  json input = base.Identity().at("input");
  input.erase("node");  // the quantised network has one input and one output
  return {{"id", id},
          {"task", base.task},
          {"description", "int8 form of " + base.id + ", for CPUs with VNNI"},
          {"licence", base.licence},
          {"source", base.source},
          {"architecture", "graph"},
          {"weights", {{"file", id + ".xml"}, {"sha256", sha256}}},
          {"input", input},
          {"output", {{"dimension", base.output.dimension}}},
          {"precision", "int8"},
          {"quantized_from",
           {{"id", base.id},
            {"weights_sha256", base_sha256},
            {"calibration", calibration},
            {"agreement", agreement}}}};
}

Status WriteText(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  return out ? Status::OK() : Status::IOError("cannot write ", file.string());
}

// Puts the work folder's card and weights into `out`: copies beside their names first, then
// renames, the card last.
Status Publish(const WorkFolder& work, const std::string& id, const fs::path& out) {
  std::error_code error;
  fs::create_directories(out, error);
  if (error) return Status::IOError("cannot make the folder ", out.string(), ": ", error.message());
  const std::vector<std::string> names = {id + ".bin", id + ".xml", id + ".json"};
  for (const std::string& name : names) {
    const auto overwrite = fs::copy_options::overwrite_existing;
    if (!error) fs::copy_file(work / name, out / (name + ".part"), overwrite, error);
  }
  for (const std::string& name : names) {
    if (!error) fs::rename(out / (name + ".part"), out / name, error);
  }
  if (!error) return Status::OK();
  std::error_code ignored;
  for (const std::string& name : names) fs::remove(out / (name + ".part"), ignored);
  return Status::IOError("cannot write the card to ", out.string(), ": ", error.message());
}

std::string Figures(const Agreement& a) {
  char text[200];
  std::snprintf(text, sizeof(text),
                "least cosine %.4f, %.1f %% of the nearest neighbours kept, principal subspace "
                "%.1f degrees off",
                a.min_cosine, 100 * a.neighbours_kept, a.subspace_degrees);
  return text;
}

// One work folder, one network: tries until the budget holds.
class Quantizer {
 public:
  Quantizer(const model::Card& card, const QuantizeOptions& options, fs::path python,
            const Images& images, const WorkFolder& work, std::stop_token stop)
      : card_(card),
        options_(options),
        python_(std::move(python)),
        images_(images),
        work_(work),
        stop_(std::move(stop)) {}

  Status Prepare(const model::WeightsFile& weights) {
    base_sha256_ = weights.sha256;
    ARROW_RETURN_NOT_OK(model::ExportNetwork(card_, weights.path, work_.path()));
    ARROW_RETURN_NOT_OK(WriteImages(images_.calibrate(), work_ / "images.u8"));
    std::string pixels;
    for (const image::Image& image : images_.calibrate()) pixels += Xxh3Hex(image.rgb);
    pixels_ = Xxh3Hex(pixels);
    ARROW_ASSIGN_OR_RAISE(reference_, Features(card_, model::Precision::kF32, options_.weights));
    return Status::OK();
  }

  // Leaves card and weights under their names in the work folder.
  Result<Attempt> Try(int f32_convolutions) {
    const std::string id = model::Int8Id(card_.id);
    ARROW_RETURN_NOT_OK(RunNncf(python_, work_, f32_convolutions, stop_));
    std::error_code error;
    fs::rename(work_ / "int8.bin", work_ / (id + ".bin"), error);
    if (!error) fs::rename(work_ / "int8.xml", work_ / (id + ".xml"), error);
    if (error) return Status::IOError("the quantizer left no network: ", error.message());
    Attempt attempt{f32_convolutions, {}};
    ARROW_RETURN_NOT_OK(WriteCard(attempt));
    ARROW_ASSIGN_OR_RAISE(const model::Card card, model::ReadCard(work_ / (id + ".json")));
    ARROW_ASSIGN_OR_RAISE(const auto int8, Features(card, model::Precision::kInt8, {}));
    ARROW_ASSIGN_OR_RAISE(attempt.agreement, Compare(reference_, int8, card_.output.dimension));
    ARROW_RETURN_NOT_OK(WriteCard(attempt));
    return attempt;
  }

 private:
  Status WriteCard(const Attempt& attempt) const {
    const std::string id = model::Int8Id(card_.id);
    ARROW_ASSIGN_OR_RAISE(const std::string sha256, model::HashWeights(work_ / (id + ".xml")));
    const json text =
        Int8CardJson(card_, base_sha256_, sha256,
                     Calibration(images_, attempt.f32_convolutions, options_, pixels_),
                     ToJson(attempt.agreement));
    return WriteText(work_ / (id + ".json"), text.dump(2) + "\n");
  }

  Result<std::vector<float>> Features(const model::Card& card, model::Precision precision,
                                      const fs::path& weights) const {
    const int threads = options_.sample.threads;
    ARROW_ASSIGN_OR_RAISE(const auto runner,
                          model::Runner::Load(card, {precision, threads, weights, options_.cpu}));
    ARROW_ASSIGN_OR_RAISE(SampleFeatures features,
                          RunSample(runner.get(), images_.check(), threads, stop_));
    return std::move(features.values);
  }

  const model::Card& card_;
  const QuantizeOptions& options_;
  fs::path python_;  // with NNCF
  const Images& images_;
  const WorkFolder& work_;
  const std::stop_token stop_;
  std::string base_sha256_;
  std::string pixels_;
  std::vector<float> reference_;
};

}  // namespace

Result<QuantizeReport> Quantize(const model::Card& card, const io::Source& source,
                                const QuantizeOptions& options, const Observer& observer,
                                const std::stop_token& stop) {
  ARROW_RETURN_NOT_OK(CheckCpu(model::Precision::kInt8, options.cpu));
  if (card.quantized_from) return UsageError("model '" + card.id + "' is int8 already");
  if (options.images < kFewestCalibration) {
    return UsageError("a calibration on " + Counted(options.images, "image") +
                      " says nothing: take " + std::to_string(kFewestCalibration) +
                      " or more (300 is good)");
  }
  ARROW_ASSIGN_OR_RAISE(const fs::path python, FindPython());
  ARROW_ASSIGN_OR_RAISE(const auto weights, model::CheckedWeights(card, options.weights));
  ARROW_ASSIGN_OR_RAISE(const Images images, TakeImages(source, options, observer, stop));
  ARROW_ASSIGN_OR_RAISE(const auto work, WorkFolder::Make());
  Quantizer quantizer(card, options, python, images, *work, stop);
  ARROW_RETURN_NOT_OK(quantizer.Prepare(weights));

  QuantizeReport report;
  report.calibration = static_cast<int64_t>(images.calibration);
  report.unusable = images.all.unusable;
  Progress progress{"quantizing", 0, std::size(kF32Convolutions), 0};
  for (const int f32_convolutions : kF32Convolutions) {
    observer.Report(progress);
    ++progress.done;
    ARROW_ASSIGN_OR_RAISE(const Attempt attempt, quantizer.Try(f32_convolutions));
    report.attempts.push_back(attempt);
    if (!IsInside(attempt.agreement, options.budget)) continue;
    const std::string id = model::Int8Id(card.id);
    ARROW_RETURN_NOT_OK(Publish(*work, id, options.out));
    ARROW_ASSIGN_OR_RAISE(report.card, model::ReadCard(options.out / (id + ".json")));
    return report;
  }
  const Attempt& last = report.attempts.back();
  return Status::Invalid("no int8 form of '", card.id, "' is inside the budget (",
                         ToJson(options.budget).dump(), "): with the first ", last.f32_convolutions,
                         " convolutions in f32 it has ", Figures(last.agreement),
                         "; nothing was written. Calibrate on more or other images, or use bf16 or "
                         "f32");
}

}  // namespace pomona::precision
