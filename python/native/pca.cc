// Moments and principal components.
#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "array.h"
#include "interruptible.h"
#include "module.h"
#include "pomona/reduce/blocks.h"
#include "pomona/reduce/moments.h"
#include "pomona/reduce/pca.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

template <typename T>
Status CheckColumns(const Table<T>& x, int dimension) {
  if (x.shape(1) == static_cast<size_t>(dimension)) return Status::OK();
  return UsageError("the array has " + std::to_string(x.shape(1)) + " columns, not " +
                    std::to_string(dimension));
}

// reduce::Moments for several Python threads.
class Moments {
 public:
  explicit Moments(int dimension) : moments_(Checked(dimension)) {}
  explicit Moments(reduce::Moments moments) : moments_(std::move(moments)) {}

  template <typename T>
  void Add(const Table<T>& x) {
    Check(CheckColumns(x, moments_.dimension()));
    RunInterruptibly([&](const Observer&, const std::stop_token& stop) -> Status {
      // A step is a multiple of the blocks that Moments::Add makes, so that steps change nothing.
      constexpr int64_t kStep = 4096;
      const auto rows = static_cast<int64_t>(x.shape(0));
      const std::lock_guard lock(mutex_);
      for (int64_t first = 0; first < rows; first += kStep) {
        if (stop.stop_requested()) return Interrupted("stopped; some of the rows were added");
        moments_.Add(x.data() + first * moments_.dimension(), std::min(kStep, rows - first));
      }
      return Status::OK();
    });
  }

  void Merge(const Moments& other) {
    reduce::Moments copy = other.Copy();
    if (copy.dimension() != moments_.dimension()) {
      Check(UsageError("moments of " + std::to_string(copy.dimension()) +
                       " columns cannot be merged into those of " +
                       std::to_string(moments_.dimension())));
    }
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    moments_.Merge(std::move(copy));
  }

  // `use(const reduce::Moments&)`, without the GIL.
  template <typename Use>
  auto With(const Use& use) const {
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    return use(moments_);
  }
  reduce::Moments Copy() const {
    return With([](const reduce::Moments& moments) { return moments; });
  }
  nb::bytes Bytes() const { return ToBytes(With(std::mem_fn(&reduce::Moments::ToBytes))); }

 private:
  static int Checked(int dimension) {
    if (dimension < 1) Check(UsageError("moments need at least one column"));
    return dimension;
  }

  mutable std::mutex mutex_;
  reduce::Moments moments_;
};

reduce::Scaling ScalingFor(bool standardize) {
  return standardize ? reduce::Scaling::kStandardize : reduce::Scaling::kNone;
}

nb::tuple FitScaler(const Moments& moments) {
  reduce::Scaler scaler =
      Value(moments.With([](const reduce::Moments& m) -> Result<reduce::Scaler> {
        if (m.n() == 0) return UsageError("there is no row to fit a scaler on");
        return reduce::FitScaler(m);
      }));
  return nb::make_tuple(ToArray(std::move(scaler.mean)), ToArray(std::move(scaler.scale)),
                        std::move(scaler.constant));
}

reduce::Pca FitPca(const Moments& moments, const std::string& k, bool standardize) {
  const reduce::Components components = Value(reduce::ParseComponents(k));
  reduce::Moments of = moments.Copy();
  return Interruptible([&](const Observer&, const std::stop_token& stop) {
    return reduce::FitPca(std::move(of), components, ScalingFor(standardize), /*threads=*/1, stop);
  });
}

template <typename T>
auto Project(const reduce::Pca& pca, const Table<T>& x) {
  Check(CheckColumns(x, pca.dimension));
  const auto rows = static_cast<int64_t>(x.shape(0));
  std::vector<double> values;
  {
    const nb::gil_scoped_release release;
    values = pca.Project(x.data(), rows);
  }
  const size_t shape[] = {x.shape(0), static_cast<size_t>(pca.k)};
  return ToArray(std::move(values), shape);
}

auto Components(const reduce::Pca& pca) {
  const size_t shape[] = {static_cast<size_t>(pca.k), static_cast<size_t>(pca.dimension)};
  return ToArray(std::vector<double>(pca.components), shape);
}

// Of properties that make an array of their own each time.
constexpr auto kOwn = nb::rv_policy::automatic;

void AddMoments(nb::module_& module) {
  nb::class_<Moments>(
      module, "Moments",
      "Count, mean and centred second moments (float64) of rows, exactly mergeable.")
      .def(nb::init<int>(), "dimension"_a)
      .def("add", &Moments::Add<float>, "x"_a.noconvert(),
           "Adds float32 or float64 rows, rows x dimension.")
      .def("add", &Moments::Add<double>, "x"_a.noconvert())
      .def("merge", &Moments::Merge, "other"_a, "Makes these the moments of both sets of rows.")
      .def_prop_ro(
          "dimension",
          [](const Moments& m) { return m.With(std::mem_fn(&reduce::Moments::dimension)); })
      .def_prop_ro(
          "n", [](const Moments& m) { return m.With(std::mem_fn(&reduce::Moments::n)); },
          "Rows so far.")
      .def_prop_ro(
          "mean",
          [](const Moments& m) { return ToArray(m.With(std::mem_fn(&reduce::Moments::mean))); },
          kOwn)
      .def("to_bytes", &Moments::Bytes, "Everything, to the last bit.")
      .def_static(
          "from_bytes",
          [](const nb::bytes& bytes) {
            return std::make_unique<Moments>(Value(reduce::Moments::FromBytes(View(bytes))));
          },
          "data"_a)
      .def("__getstate__", &Moments::Bytes)
      .def("__setstate__", [](Moments& m, const nb::bytes& bytes) {
        new (&m) Moments(Value(reduce::Moments::FromBytes(View(bytes))));
      });
  module.def(
      "fit_scaler", &FitScaler, "moments"_a,
      nb::sig("def fit_scaler(moments: Moments) -> tuple[numpy.typing.NDArray[numpy.float64],"
              " numpy.typing.NDArray[numpy.float64], list[int]]"),
      "Mean, sample deviation (divisor n - 1; 1 for a constant column) and which columns "
      "are constant.");
}

}  // namespace

void AddPca(nb::module_& module) {
  AddMoments(module);
  using reduce::Pca;
  nb::class_<Pca>(module, "Pca", "Principal components, and the scaler that comes before them.")
      .def_ro("dataset", &Pca::dataset, "What it was fitted on, or empty.")
      .def_ro("n", &Pca::n, "Rows it was fitted on.")
      .def_ro("dimension", &Pca::dimension)
      .def_ro("k", &Pca::k, "Components kept: at most the rank.")
      .def_ro("rank", &Pca::rank)
      .def_prop_ro(
          "mean", [](const Pca& p) { return ToArray(std::vector<double>(p.scaler.mean)); }, kOwn)
      .def_prop_ro(
          "scale", [](const Pca& p) { return ToArray(std::vector<double>(p.scaler.scale)); }, kOwn)
      .def_prop_ro(
          "constant", [](const Pca& p) { return p.scaler.constant; },
          "Indices of constant columns.")
      .def_prop_ro("components", &Components, kOwn, "k x dimension, orthonormal rows.")
      .def_prop_ro(
          "variance", [](const Pca& p) { return ToArray(std::vector<double>(p.variance)); }, kOwn,
          "Of every component there could be: dimension numbers, falling.")
      .def_prop_ro(
          "explained_ratio", [](const Pca& p) { return ToArray(p.ExplainedRatio()); }, kOwn,
          "variance / its sum.")
      .def("project", &Project<float>, "x"_a.noconvert(),
           "float32 or float64 rows x dimension -> float64 rows x k; the mean is subtracted.")
      .def("project", &Project<double>, "x"_a.noconvert())
      .def("to_bytes", [](const Pca& p) { return ToBytes(reduce::ToBytes(p)); })
      .def_static(
          "from_bytes",
          [](const nb::bytes& bytes) { return Value(reduce::PcaFromBytes(View(bytes))); }, "data"_a)
      .def("__getstate__", [](const Pca& p) { return ToBytes(reduce::ToBytes(p)); })
      .def("__setstate__", [](Pca& p, const nb::bytes& bytes) {
        new (&p) Pca(Value(reduce::PcaFromBytes(View(bytes))));
      });
  module.def("fit_pca", &FitPca, "moments"_a, "k"_a, "standardize"_a = true,
             "k: a count (\"6\") or a fraction of the variance (\"0.95\"), as --k takes it. "
             "Columns are divided by their deviations unless `standardize` is false.");
}

}  // namespace pomona::python
