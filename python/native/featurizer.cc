// Images in memory -> features.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fcntl.h>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>
#include <tbb/global_control.h>
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

// One item -> what the network takes.
class Visitor {
 public:
  using Answer = Result<Outcome<extract::Prepared>>;

  Visitor(const extract::Featurizer& featurizer, const image::DecodeLimits& limits)
      : featurizer_(featurizer), limits_(limits) {}

  Answer operator()(const NoContent& /*item*/) const {
    return Outcome<extract::Prepared>(Rejection{Reason::kMissing, "there is no content", {}});
  }
  Answer operator()(const Content& item) const {
    const auto* data = reinterpret_cast<const uint8_t*>(item.bytes.c_str());
    return featurizer_.Prepare({}, std::vector<uint8_t>(data, data + item.bytes.size()));
  }
  Answer operator()(const Path& item) const {
    return featurizer_.Prepare({}, Read(item.path, limits_.max_bytes));
  }
  Answer operator()(const Pixels& item) const {
    if (item.size() == 0) {
      return Outcome<extract::Prepared>(Rejection{Reason::kEmpty, "an array without pixels", {}});
    }
    return featurizer_.Prepare(image::Image{static_cast<int>(item.shape(1)),
                                            static_cast<int>(item.shape(0)),
                                            {item.data(), item.data() + item.size()}});
  }

 private:
  const extract::Featurizer& featurizer_;
  const image::DecodeLimits& limits_;
};

// The features of some images and why some have none.
struct Features {
  std::vector<float> values;  // images x dimension, NaN where there is none
  std::vector<std::optional<std::string>> errors;
};

// Images that are worked on together, by many threads at a time. To be made and destroyed with the
// GIL held.
class Batch {
 public:
  Batch(const nb::list& list, size_t dimension)
      : items_(Items(list)),
        dimension_(dimension),
        left_(items_.size()),
        features_{
            std::vector<float>(items_.size() * dimension, std::numeric_limits<float>::quiet_NaN()),
            std::vector<std::optional<std::string>>(items_.size())},
        progress_{"features", 0, static_cast<int64_t>(items_.size()), 0} {}

  size_t size() const { return items_.size(); }

  // Images [first, last), all of them prepared before the network runs. To be called once for each.
  void Work(size_t first, size_t last, const Visitor& visitor,
            const extract::Featurizer& featurizer) {
    std::exception_ptr thrown;
    Status status;
    try {
      status = Featurize(first, last, visitor, featurizer);
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (thrown && !thrown_) thrown_ = thrown;
    if (!status.ok() && first_error_.ok()) first_error_ = status;
    if (thrown || !status.ok()) stopped_ = true;
    left_ -= last - first;
    progress_.done += static_cast<int64_t>(last - first);
    progress_.rejected +=
        std::count_if(features_.errors.begin() + static_cast<std::ptrdiff_t>(first),
                      features_.errors.begin() + static_cast<std::ptrdiff_t>(last),
                      [](const auto& error) { return error.has_value(); });
    if (left_ == 0) ended_.notify_all();
  }

  // The images that nobody has begun with are left out.
  void Stop() { stopped_ = true; }

  // Waits for the last image.
  void Wait(const Observer& observer = {}) {
    std::unique_lock lock(mutex_);
    for (bool ended = false; !ended;) {
      ended = ended_.wait_for(lock, kReportEvery, [this] { return left_ == 0; });
      observer.Report(progress_);
    }
  }

  // Waits, and gives what came out.
  Result<Features> Finish(const Observer& observer, const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { Stop(); });
    Wait(observer);
    if (thrown_) std::rethrow_exception(thrown_);
    ARROW_RETURN_NOT_OK(first_error_);
    if (stopped_) return Interrupted("stopped");
    return std::move(features_);
  }

 private:
  static constexpr std::chrono::milliseconds kReportEvery{100};

  Status Featurize(size_t first, size_t last, const Visitor& visitor,
                   const extract::Featurizer& featurizer) {
    std::vector<Outcome<extract::Prepared>> prepared;
    prepared.reserve(last - first);
    for (size_t i = first; i < last && !stopped_; ++i) {
      ARROW_ASSIGN_OR_RAISE(auto one, std::visit(visitor, items_[i]));
      prepared.push_back(std::move(one));
    }
    for (size_t i = first; i < last && !stopped_; ++i) {
      Outcome<extract::Prepared>& one = prepared[i - first];
      if (!one.ok()) {
        Reject(i, one.rejection());
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto done, featurizer.Infer(std::move(one).value()));
      if (done.ok()) {
        std::copy_n(done.value().feature.begin(), dimension_,
                    features_.values.begin() + static_cast<std::ptrdiff_t>(i * dimension_));
      } else {
        Reject(i, done.rejection());
      }
    }
    return Status::OK();
  }

  void Reject(size_t i, const Rejection& why) {
    features_.errors[i] = std::string(ReasonName(why.reason)) + ": " + why.detail;
  }

  const std::vector<Item> items_;
  const size_t dimension_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  size_t left_;
  Features features_;
  Status first_error_;
  std::exception_ptr thrown_;
  Progress progress_;
};

// Batches of images that go through a network and come out in the order in which they went in.
// Threads go on with the next batch while the last images of one are in work.
class Stream {
 public:
  explicit Stream(const cli::FeatureJob& job)
      : dimension_(static_cast<size_t>(job.runner->dimension())),
        threads_(job.options.threads),
        group_bytes_(job.options.group_bytes),
        featurizer_(job.runner.get(), job.options.recipe, job.options.limits, job.options.sandbox),
        visitor_(featurizer_, job.options.limits),
        // The arena alone cannot exceed the number of CPUs that oneTBB sees.
        control_(tbb::global_control::max_allowed_parallelism,
                 static_cast<size_t>(job.options.threads) + 1),
        arena_(job.options.threads, 0) {}

  ~Stream() {
    for (const auto& batch : batches_) batch->Stop();
    const nb::gil_scoped_release release;
    for (const auto& batch : batches_) batch->Wait();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Put(const nb::list& list) {
    batches_.push_back(std::make_unique<Batch>(list, dimension_));
    Batch* const batch = batches_.back().get();
    size_t last = 0;
    for (size_t first = 0; first < batch->size(); first = last) {
      last = first + featurizer_.GroupSize(group_bytes_, batch->size() - first, threads_);
      arena_.enqueue([=, this] { batch->Work(first, last, visitor_, featurizer_); });
    }
  }

  nb::tuple Take(nb::handle progress) {
    if (batches_.empty()) Check(UsageError("there is no batch to take"));
    const std::unique_ptr<Batch> batch = std::move(batches_.front());
    batches_.pop_front();
    Features features =
        Interruptible([&](const Observer& observer,
                          const std::stop_token& stop) { return batch->Finish(observer, stop); },
                      progress);
    const size_t shape[] = {features.errors.size(), dimension_};
    return nb::make_tuple(ToArray(std::move(features.values), shape), features.errors);
  }

 private:
  const size_t dimension_;
  const int threads_;
  const int64_t group_bytes_;
  const extract::Featurizer featurizer_;
  const Visitor visitor_;
  const tbb::global_control control_;
  tbb::task_arena arena_;
  std::deque<std::unique_ptr<Batch>> batches_;
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

  std::unique_ptr<Stream> Open() const { return std::make_unique<Stream>(job_); }

  nb::tuple Featurize(const nb::list& list, nb::handle progress) const {
    const auto stream = Open();
    stream->Put(list);
    return stream->Take(progress);
  }

 private:
  static Result<cli::FeatureJob> Prepare(const std::vector<std::string>& args) {
    ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<cli::FeatureFlags>("extract", args));
    return cli::Prepare(*flags);
  }

  cli::FeatureJob job_;
};

}  // namespace

void AddFeaturizer(nb::module_& module) {
  nb::class_<Stream>(module, "FeatureStream",
                     "Batches of images that go through a network: threads go on with the next "
                     "batch while the last images of one are in work.")
      .def("put", &Stream::Put, "items"_a,
           nb::sig("def put(self, items: list[bytes | str | "
                   "numpy.typing.NDArray[numpy.uint8] | None]) -> None"),
           "Adds a batch, as Featurizer.featurize takes it, and returns at once.")
      .def(
          "take", [](Stream& stream) { return stream.Take(nb::none()); },
          nb::sig("def take(self) -> "
                  "tuple[numpy.typing.NDArray[numpy.float32], list[str | None]]"),
          "Waits for the oldest batch and gives what Featurizer.featurize would give.");
  nb::class_<Featurizer>(module, "Featurizer",
                         "A network and a recipe, ready: `args` are the flags of `pomona extract` "
                         "that say how an image becomes a feature.")
      .def(nb::init<const Args&>(), "args"_a)
      .def_prop_ro("dimension", &Featurizer::dimension, "Numbers a feature has.")
      .def("describe", &Featurizer::Describe,
           "JSON: model, dimension, precision, weights_sha256, recipe, threads.")
      .def("stream", &Featurizer::Open, nb::keep_alive<0, 1>(), "For many batches.")
      .def("featurize", &Featurizer::Featurize, "items"_a, "progress"_a.none() = nb::none(),
           nb::sig("def featurize(self, items: list[bytes | str | "
                   "numpy.typing.NDArray[numpy.uint8] | None], progress: "
                   "collections.abc.Callable[[str, int, int, int], object] | None = None) -> "
                   "tuple[numpy.typing.NDArray[numpy.float32], list[str | None]]"),
           "Features (float32, items x dimension) of files' bytes, paths and uint8 RGB arrays "
           "(height x width x 3), and for each item None or why its row is all NaN "
           "(\"reason: detail\"). On as many threads as the flags say.");
}

}  // namespace pomona::python
