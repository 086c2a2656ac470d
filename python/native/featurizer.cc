// Images in memory -> features.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fcntl.h>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "args.h"
#include "array.h"
#include "interruptible.h"
#include "module.h"
#include "pomona/base/rejection.h"
#include "pomona/base/text.h"
#include "pomona/cli/flags.h"
#include "pomona/cli/job.h"
#include "pomona/extract/featurize.h"
#include "pomona/image/recipe.h"
#include "pomona/io/local_image.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

using Pixels = nb::ndarray<const uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

// What stands for an image: nothing (a null of a column), the bytes of a file, the path of one, or
// pixels. Holds its Python object, so that native threads may use what that holds.
struct NoContent {};
struct Content {
  nb::bytes bytes;
};
struct Path {
  std::string path;
};
using Item = std::variant<NoContent, Content, Path, Pixels>;

// Every item by its own type, before any work begins.
std::vector<Item> Items(const nb::list& list) {
  std::vector<Item> items;
  items.reserve(list.size());
  for (const nb::handle item : list) {
    Pixels pixels;
    if (item.is_none()) {
      items.emplace_back(NoContent());
    } else if (nb::isinstance<nb::bytes>(item)) {
      items.emplace_back(Content{nb::borrow<nb::bytes>(item)});
    } else if (nb::isinstance<nb::str>(item)) {
      Path path;
      if (!EncodeName(item, &path.path)) throw nb::python_error();
      items.emplace_back(std::move(path));
    } else if (nb::try_cast(item, pixels, false)) {
      items.emplace_back(pixels);
    } else {
      Check(UsageError("image " + std::to_string(items.size()) + " is " +
                       nb::cast<std::string>(nb::str(item.type().attr("__name__"))) +
                       ", not bytes, a path or a uint8 array of height x width x 3 (RGB)"));
    }
  }
  return items;
}

// A path on this machine, read as a source reads it.
Outcome<std::vector<uint8_t>> Read(const std::string& path, int64_t max_bytes) {
  io::Entry entry;
  entry.path = ToUtf8(path);
  io::InspectFile(AT_FDCWD, path, &entry);
  return io::ReadFile(path, entry, max_bytes);
}

// One item -> its feature.
class Visitor {
 public:
  using Answer = Result<Outcome<std::vector<float>>>;

  Visitor(const extract::Featurizer& featurizer, const image::DecodeLimits& limits)
      : featurizer_(featurizer), limits_(limits) {}

  Answer operator()(const NoContent& /*item*/) const {
    return Outcome<std::vector<float>>(Rejection{Reason::kMissing, "there is no content", {}});
  }
  Answer operator()(const Content& item) const {
    const auto* data = reinterpret_cast<const uint8_t*>(item.bytes.c_str());
    return FromFile(std::vector<uint8_t>(data, data + item.bytes.size()));
  }
  Answer operator()(const Path& item) const { return FromFile(Read(item.path, limits_.max_bytes)); }
  Answer operator()(const Pixels& item) const {
    if (item.size() == 0) {
      return Outcome<std::vector<float>>(Rejection{Reason::kEmpty, "an array without pixels", {}});
    }
    return Infer(featurizer_.Prepare(image::Image{static_cast<int>(item.shape(1)),
                                                  static_cast<int>(item.shape(0)),
                                                  {item.data(), item.data() + item.size()}}));
  }

 private:
  Answer FromFile(const Outcome<std::vector<uint8_t>>& bytes) const {
    return Infer(featurizer_.Prepare({}, bytes));
  }

  Answer Infer(Result<Outcome<extract::Prepared>> prepared) const {
    ARROW_RETURN_NOT_OK(prepared.status());
    if (!prepared->ok()) return Outcome<std::vector<float>>(prepared->rejection());
    ARROW_ASSIGN_OR_RAISE(auto done, featurizer_.Infer(std::move(*prepared).value()));
    if (!done.ok()) return Outcome<std::vector<float>>(done.rejection());
    return Outcome<std::vector<float>>(std::move(done.value().feature));
  }

  const extract::Featurizer& featurizer_;
  const image::DecodeLimits& limits_;
};

// The features of `items` and why some have none.
struct Batch {
  std::vector<float> features;  // items x dimension, NaN where there is none
  std::vector<std::optional<std::string>> errors;
};

// Fills in a batch, from many threads at a time.
class BatchRun {
 public:
  BatchRun(const std::vector<Item>& items, const Visitor& visitor, size_t dimension,
           const Observer& observer, std::stop_token stop)
      : items_(items),
        visitor_(visitor),
        dimension_(dimension),
        observer_(observer),
        stop_(std::move(stop)),
        batch_{
            std::vector<float>(items.size() * dimension, std::numeric_limits<float>::quiet_NaN()),
            std::vector<std::optional<std::string>>(items.size())},
        progress_{"features", 0, static_cast<int64_t>(items.size()), 0} {}

  void Work(size_t i) {
    if (stop_.stop_requested() || failed_) return;
    const auto feature = std::visit(visitor_, items_[i]);
    if (feature.ok() && feature->ok()) {
      std::copy_n(feature->value().begin(), dimension_,
                  batch_.features.begin() + static_cast<std::ptrdiff_t>(i * dimension_));
    } else if (feature.ok()) {
      const Rejection& why = feature->rejection();
      batch_.errors[i] = std::string(ReasonName(why.reason)) + ": " + why.detail;
    }
    const std::lock_guard lock(mutex_);
    if (!feature.ok() && first_error_.ok()) first_error_ = feature.status();
    failed_ = failed_ || !feature.ok();
    ++progress_.done;
    progress_.rejected += batch_.errors[i] ? 1 : 0;
    observer_.Report(progress_);
  }

  Result<Batch> Finish() && {
    ARROW_RETURN_NOT_OK(first_error_);
    if (stop_.stop_requested()) return Interrupted("stopped");
    return std::move(batch_);
  }

 private:
  const std::vector<Item>& items_;
  const Visitor& visitor_;
  const size_t dimension_;
  const Observer& observer_;
  const std::stop_token stop_;
  Batch batch_;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  Status first_error_;
  Progress progress_;
};

class Featurizer {
 public:
  explicit Featurizer(const Args& args) {
    auto job = WithoutGil([&] { return Prepare(args); });
    job_ = Value(std::move(job));
  }

  int dimension() const { return job_.runner->dimension(); }

  std::string Describe() const {
    return nlohmann::json{{"model", job_.runner->card().id},
                          {"dimension", dimension()},
                          {"precision", model::ToString(job_.runner->precision())},
                          {"weights_sha256", job_.runner->weights_sha256()},
                          {"recipe", image::ToJson(job_.options.recipe)},
                          {"threads", job_.options.threads}}
        .dump();
  }

  nb::tuple Featurize(const nb::list& list, int threads, nb::handle progress) {
    const std::vector<Item> items = Items(list);
    if (threads <= 0) threads = job_.options.threads;
    Batch batch = Interruptible(
        [&](const Observer& observer, std::stop_token stop) {
          return Run(items, threads, observer, std::move(stop));
        },
        progress);
    const size_t shape[] = {items.size(), static_cast<size_t>(dimension())};
    return nb::make_tuple(ToArray(std::move(batch.features), shape), batch.errors);
  }

 private:
  static Result<cli::FeatureJob> Prepare(const std::vector<std::string>& args) {
    ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<cli::FeatureFlags>("extract", args));
    return cli::Prepare(*flags);
  }

  Result<Batch> Run(const std::vector<Item>& items, int threads, const Observer& observer,
                    std::stop_token stop) {
    const extract::ExtractOptions& options = job_.options;
    const extract::Featurizer featurizer(job_.runner.get(), options.recipe, options.limits,
                                         options.sandbox);
    const Visitor visitor(featurizer, options.limits);
    BatchRun run(items, visitor, static_cast<size_t>(dimension()), observer, std::move(stop));
    // The arena alone cannot exceed the number of CPUs that oneTBB sees.
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                      static_cast<size_t>(threads) + 1);
    tbb::task_arena arena(threads);
    arena.execute([&] {
      tbb::parallel_for(
          tbb::blocked_range<size_t>(0, items.size(), 1),
          [&](const tbb::blocked_range<size_t>& range) {
            for (size_t i = range.begin(); i < range.end(); ++i) run.Work(i);
          },
          tbb::simple_partitioner());
    });
    return std::move(run).Finish();
  }

  cli::FeatureJob job_;
};

}  // namespace

void AddFeaturizer(nb::module_& module) {
  nb::class_<Featurizer>(module, "Featurizer",
                         "A network and a recipe, ready: `args` are the flags of `pomona extract` "
                         "that say how an image becomes a feature.")
      .def(nb::init<const Args&>(), "args"_a)
      .def_prop_ro("dimension", &Featurizer::dimension, "Numbers a feature has.")
      .def("describe", &Featurizer::Describe,
           "JSON: model, dimension, precision, weights_sha256, recipe, threads.")
      .def("featurize", &Featurizer::Featurize, "items"_a, "threads"_a = 0,
           "progress"_a.none() = nb::none(),
           nb::sig("def featurize(self, items: list[bytes | str | "
                   "numpy.typing.NDArray[numpy.uint8] | None], threads: int = 0, progress: "
                   "collections.abc.Callable[[str, int, int, int], object] | None = None) -> "
                   "tuple[numpy.typing.NDArray[numpy.float32], list[str | None]]"),
           "Features (float32, items x dimension) of files' bytes, paths and uint8 RGB arrays "
           "(height x width x 3), and for each item None or why its row is all NaN "
           "(\"reason: detail\"). Threads: 0 for those of the flags.");
}

}  // namespace pomona::python
