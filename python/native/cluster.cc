// Extractions and reductions whose work is done elsewhere: the halves that a driver and the tasks
// of a cluster run. What travels between them is bytes.
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <tbb/task_arena.h>

#include "args.h"
#include "array.h"
#include "interruptible.h"
#include "module.h"
#include "pomona/base/cbor.h"
#include "pomona/cli/flags.h"
#include "pomona/cli/job.h"
#include "pomona/cli/precision.h"
#include "pomona/cli/report.h"
#include "pomona/dataset/dataset.h"
#include "pomona/extract/extract.h"
#include "pomona/extract/task.h"
#include "pomona/model/precision.h"
#include "pomona/reduce/blocks.h"
#include "pomona/reduce/reduce.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

// Of what was made for the latest `args`, the most recently used few: a worker process gets one
// task after the other of the same application, and loads a network once.
template <typename Made>
class Recent {
 public:
  // `make()` gives Result<std::shared_ptr<Made>>.
  template <typename Make>
  Result<std::shared_ptr<Made>> Get(const Args& key, Make make) {
    const std::lock_guard lock(mutex_);
    for (auto it = made_.begin(); it != made_.end(); ++it) {
      if (it->first != key) continue;
      made_.splice(made_.begin(), made_, it);
      return it->second;
    }
    ARROW_ASSIGN_OR_RAISE(auto made, make());
    made_.emplace_front(key, made);
    if (made_.size() > kKept) made_.pop_back();
    return made;
  }

 private:
  static constexpr size_t kKept = 2;
  std::mutex mutex_;
  std::list<std::pair<Args, std::shared_ptr<Made>>> made_;
};

// --- extraction ---------------------------------------------------------------------------------

// Featurises the images of a part and writes it.
Result<extract::ComputedPart> ComputeOne(const cli::ExtractJob& job,
                                         const dataset::Manifest& manifest,
                                         const extract::PlannedPart& part, const Observer& observer,
                                         std::stop_token stop) {
  extract::ComputedPart computed;
  const auto done = [&](size_t, const extract::ComputedPart& c) { computed = c; };
  const Progress start{"features", 0, static_cast<int64_t>(part.entries.size()), 0};
  ARROW_RETURN_NOT_OK(extract::ComputeParts({&part}, *job.source, job.runner.get(),
                                            job.results.get(), manifest, job.options, done,
                                            observer, start, std::move(stop)));
  return computed;
}

class Extraction {
 public:
  Extraction(const Args& args, nb::handle progress, nb::handle warning) {
    RunInterruptibly([&](const Observer& observer,
                         const std::stop_token& stop) { return Begin(args, observer, stop); },
                     progress, warning);
  }

  std::string Contract() const { return dataset::ToText(extraction_->manifest()); }

  size_t size() const { return extraction_->missing().size(); }

  nb::bytes Part(size_t index) const { return ToBytes(extract::ToBytes(At(index))); }

  int64_t Images(size_t index) const { return static_cast<int64_t>(At(index).entries.size()); }

  void Compute(size_t index, nb::handle progress) {
    const extract::PlannedPart& part = At(index);
    const auto computed = Interruptible(
        [&](const Observer& observer, std::stop_token stop) {
          return ComputeOne(job_, extraction_->manifest(), part, observer, std::move(stop));
        },
        progress);
    extraction_->Finish(index, computed);
  }

  void Finish(size_t index, const nb::bytes& computed) {
    static_cast<void>(At(index));
    extraction_->Finish(index, Value(extract::ComputedPartFromBytes(View(computed))));
  }

  std::string Commit() {
    return Interruptible(
        [&](const Observer& /*observer*/, const std::stop_token& /*stop*/) -> Result<std::string> {
          ARROW_ASSIGN_OR_RAISE(const auto report, extraction_->Commit(nullptr));
          return cli::ToJson(job_, report).dump();
        });
  }

 private:
  const extract::PlannedPart& At(size_t index) const {
    if (index >= size()) throw nb::index_error("there are not so many parts");
    return *extraction_->missing()[index];
  }

  Status Begin(const Args& args, const Observer& observer, const std::stop_token& stop) {
    ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<cli::ExtractFlags>("extract", args));
    if (flags->watch.on() || flags->profile.profile() != nullptr) {
      return UsageError("--watch, --watch-queue and --profile are for one machine, not a cluster");
    }
    ARROW_ASSIGN_OR_RAISE(job_, cli::Prepare(*flags));
    cli::Context context(observer);
    context.stop = stop;
    ARROW_ASSIGN_OR_RAISE(auto listing, cli::ChoosePrecision(&job_, &context));
    ARROW_ASSIGN_OR_RAISE(
        extraction_, extract::Extraction::Begin(
                         *job_.source, extract::Contract(*job_.source, *job_.runner, job_.options),
                         job_.results.get(), job_.options, std::move(listing), observer, stop));
    return Status::OK();
  }

  cli::ExtractJob job_;
  std::optional<extract::Extraction> extraction_;
};

// The job that a task's part belongs to; precision and what was found of it are the driver's.
Result<std::shared_ptr<cli::ExtractJob>> TaskJob(const Args& args,
                                                 const dataset::Manifest& contract) {
  ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<cli::ExtractFlags>("extract", args));
  flags->precision = contract.model.value("precision", "");
  ARROW_ASSIGN_OR_RAISE(auto job, cli::Prepare(*flags));
  job.options.precision_choice = contract.precision_choice;
  ARROW_RETURN_NOT_OK(dataset::CheckSameContract(
      contract, extract::Contract(*job.source, *job.runner, job.options), "the driver's plan"));
  return std::make_shared<cli::ExtractJob>(std::move(job));
}

nb::bytes ComputePart(const Args& args, const std::string& contract, const nb::bytes& part,
                      nb::handle progress) {
  static Recent<cli::ExtractJob> jobs;
  Args key = args;
  key.push_back(contract);
  const dataset::Manifest manifest = Value(dataset::ParseManifest(contract));
  const extract::PlannedPart planned = Value(extract::PlannedPartFromBytes(View(part)));
  const auto job =
      Value(WithoutGil([&] { return jobs.Get(key, [&] { return TaskJob(args, manifest); }); }));
  const auto computed = Interruptible(
      [&](const Observer& observer, std::stop_token stop) {
        return ComputeOne(*job, manifest, planned, observer, std::move(stop));
      },
      progress);
  return ToBytes(extract::ToBytes(computed));
}

// --- reduction ----------------------------------------------------------------------------------

// A results folder and the dataset that is committed there.
struct Opened {
  std::unique_ptr<cli::ReduceFlags> flags;
  std::unique_ptr<io::Store> store;
  std::optional<dataset::Dataset> dataset;
};

Result<std::shared_ptr<Opened>> OpenResults(const Args& args) {
  auto opened = std::make_shared<Opened>();
  ARROW_ASSIGN_OR_RAISE(opened->flags, cli::ParseFlags<cli::ReduceFlags>("reduce", args));
  ARROW_ASSIGN_OR_RAISE(opened->store,
                        io::OpenStore(opened->flags->results, opened->flags->bucket.options));
  ARROW_ASSIGN_OR_RAISE(opened->dataset, dataset::Dataset::Open(*opened->store));
  return opened;
}

class Reduction {
 public:
  Reduction(const Args& args, nb::handle warning) : warning_(nb::borrow(warning)) {
    RunInterruptibly([&](const Observer& /*observer*/, const std::stop_token& /*stop*/) -> Status {
      ARROW_ASSIGN_OR_RAISE(opened_, OpenResults(args));
      ARROW_ASSIGN_OR_RAISE(const auto k, reduce::ParseComponents(opened_->flags->components.k));
      const Observer told{{}, [this](const std::string& text) { warnings_.push_back(text); }};
      ARROW_ASSIGN_OR_RAISE(
          reduction_, reduce::Reduction::Begin(*opened_->dataset, opened_->store.get(), k, told));
      return Status::OK();
    });
  }

  std::vector<nb::bytes> Blocks() const {
    const std::string identity = reduce::DatasetIdentity(opened_->dataset->manifest());
    std::vector<nb::bytes> out;
    for (const reduce::Block& block : reduce::Blocks(*opened_->dataset)) {
      out.push_back(ToBytes(ToCbor({{"dataset", identity},
                                    {"first", block.first},
                                    {"last", block.last},
                                    {"rows", block.rows}})));
    }
    return out;
  }

  int64_t rows() const { return opened_->dataset->rows(); }

  int dimension() const { return opened_->dataset->dimension(); }

  void Merge(const nb::bytes& moments) {
    Check(WithoutGil([&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(auto decoded, reduce::Moments::FromBytes(View(moments)));
      reduction_->Merge(std::move(decoded));
      return Status::OK();
    }));
  }

  nb::bytes Fit() {
    pca_ = Interruptible([&](const Observer& /*observer*/, const std::stop_token& stop) {
      return reduction_->Fit(opened_->flags->threads.threads, stop);
    });
    if (!warning_.is_none()) {
      for (const std::string& text : warnings_) warning_(text.c_str());
    }
    return ToBytes(reduce::ToBytes(*pca_));
  }

  void Append(const nb::bytes& projected) {
    for (const reduce::Projected& part : Value(reduce::ProjectedFromBytes(View(projected)))) {
      Check(reduction_->Append(part));
    }
  }

  std::string Commit() {
    RunInterruptibly([&](const Observer& /*observer*/, const std::stop_token& /*stop*/) {
      return reduction_->Commit();
    });
    return cli::ToJson(*pca_).dump();
  }

 private:
  nb::object warning_;
  std::vector<std::string> warnings_;
  std::shared_ptr<Opened> opened_;
  std::optional<reduce::Reduction> reduction_;
  std::optional<reduce::Pca> pca_;
};

// OpenResults if the dataset there is the one that the driver means.
Result<std::shared_ptr<Opened>> OpenResults(const Args& args, const std::string& identity) {
  ARROW_ASSIGN_OR_RAISE(auto opened, OpenResults(args));
  if (reduce::DatasetIdentity(opened->dataset->manifest()) == identity) return opened;
  return Conflict("another run has changed the features in " + opened->store->uri() +
                  " since this reduction began; run it again");
}

struct TaskBlock {
  std::string dataset;
  reduce::Block block;
};

Result<TaskBlock> ParseBlock(std::string_view bytes) {
  return FromCbor(bytes, "a block", [](const nlohmann::json& j) {
    return TaskBlock{
        j.at("dataset").get<std::string>(),
        {j.at("first").get<size_t>(), j.at("last").get<size_t>(), j.at("rows").get<int64_t>()}};
  });
}

// `work(dataset, block, stop)` on the dataset that the driver means and the threads of the task.
template <typename Work>
nb::bytes OnBlock(const Args& args, const nb::bytes& block, Work work) {
  static Recent<Opened> recent;
  const TaskBlock task = Value(ParseBlock(View(block)));
  Args key = args;
  key.push_back(task.dataset);
  return ToBytes(Interruptible(
      [&](const Observer& /*observer*/, const std::stop_token& stop) -> Result<std::string> {
        ARROW_ASSIGN_OR_RAISE(const auto opened,
                              recent.Get(key, [&] { return OpenResults(args, task.dataset); }));
        return tbb::task_arena(opened->flags->threads.threads).execute([&] {
          return work(*opened->dataset, task.block, stop);
        });
      }));
}

nb::bytes BlockMoments(const Args& args, const nb::bytes& block) {
  return OnBlock(args, block,
                 [](const dataset::Dataset& dataset, const reduce::Block& b,
                    const std::stop_token& stop) -> Result<std::string> {
                   reduce::Parts parts(dataset);
                   ARROW_ASSIGN_OR_RAISE(const auto moments,
                                         reduce::MomentsOfBlock(&parts, b, stop));
                   return moments.ToBytes();
                 });
}

nb::bytes BlockProjection(const Args& args, const nb::bytes& block, const nb::bytes& pca) {
  const reduce::Pca fitted = Value(reduce::PcaFromBytes(View(pca)));
  return OnBlock(args, block,
                 [&](const dataset::Dataset& dataset, const reduce::Block& b,
                     const std::stop_token& stop) -> Result<std::string> {
                   reduce::Parts parts(dataset);
                   std::vector<reduce::Projected> projected;
                   for (size_t i = b.first; i < b.last; ++i) {
                     if (stop.stop_requested()) return reduce::Stopped();
                     ARROW_ASSIGN_OR_RAISE(projected.emplace_back(),
                                           reduce::ProjectPart(&parts, i, fitted));
                   }
                   return reduce::ToBytes(projected);
                 });
}

}  // namespace

void AddCluster(nb::module_& module) {
  nb::class_<Extraction>(module, "Extraction",
                         "The driver's half of `pomona extract`: plans here, commits here. `args`: "
                         "IMAGES, RESULTS and flags.")
      .def(nb::init<const Args&, nb::handle, nb::handle>(), "args"_a,
           "progress"_a.none() = nb::none(), "warning"_a.none() = nb::none())
      .def_prop_ro("contract", &Extraction::Contract,
                   "What every task gets: source, recipe, model and precision, as JSON.")
      .def("__len__", &Extraction::size)
      .def("part", &Extraction::Part, "index"_a,
           "A part that nobody has finished, for compute_part.")
      .def("images", &Extraction::Images, "index"_a, "How many images that part has.")
      .def("compute", &Extraction::Compute, "index"_a, "progress"_a.none() = nb::none(),
           "Computes part `index` here, with the network that is loaded, and finishes it.")
      .def("finish", &Extraction::Finish, "index"_a, "computed"_a,
           "What compute_part gave for part `index`. In any order; once more does no harm.")
      .def("commit", &Extraction::Commit,
           "Makes all parts the dataset, once every one is finished: the report as JSON. Conflict "
           "if another run committed meanwhile.");
  module.def("compute_part", &ComputePart, "args"_a, "contract"_a, "part"_a,
             "progress"_a.none() = nb::none(),
             "A task's half of `pomona extract`: featurises the images of a part and writes it to "
             "the results. The network is loaded once for the same `args`.");
  nb::class_<Reduction>(module, "Reduction",
                        "The driver's half of `pomona reduce`. `args`: RESULTS and flags.")
      .def(nb::init<const Args&, nb::handle>(), "args"_a, "warning"_a.none() = nb::none())
      .def_prop_ro("rows", &Reduction::rows, "Features of the dataset.")
      .def_prop_ro("dimension", &Reduction::dimension, "Numbers of a feature.")
      .def("blocks", &Reduction::Blocks, "For block_moments and block_projection.")
      .def("merge", &Reduction::Merge, "moments"_a, "Of the next block: in the order of blocks().")
      .def("fit", &Reduction::Fit, "Once every block is merged: what block_projection needs.")
      .def("append", &Reduction::Append, "projection"_a,
           "Of the next block: in the order of blocks().")
      .def("commit", &Reduction::Commit, "Replaces the files of pca/: the report as JSON.");
  module.def("block_moments", &BlockMoments, "args"_a, "block"_a, "A task's half: moments.");
  module.def("block_projection", &BlockProjection, "args"_a, "block"_a, "pca"_a,
             "A task's half: components of the block's images.");
}

}  // namespace pomona::python
