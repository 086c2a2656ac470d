// Committed results, as Arrow hands them from one library to another.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "args.h"
#include "array.h"
#include "interruptible.h"
#include "module.h"
#include "pomona/base/text.h"
#include "pomona/cli/flags.h"
#include "pomona/dataset/commit.h"
#include "pomona/dataset/dataset.h"
#include "pomona/dataset/part.h"
#include "pomona/io/store.h"
#include "pomona/reduce/reduce.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

constexpr char kFeatures[] = "features";

// A store and what is committed in it. Shared with every stream that reads it.
struct Opened {
  std::unique_ptr<io::Store> store;
  std::optional<dataset::Dataset> dataset;
};

// Some columns of a dataset.
class Columns {
 public:
  // All for nothing. UsageError for a name that is no column's.
  static Result<Columns> Choose(const dataset::Dataset& dataset,
                                std::optional<std::vector<std::string>> names) {
    const auto all = dataset::RowSchema(dataset.dimension());
    Columns columns;
    columns.names_ = names ? std::move(*names) : all->field_names();
    arrow::FieldVector fields;
    for (const std::string& name : columns.names_) {
      fields.push_back(all->GetFieldByName(name));
      if (fields.back() == nullptr) return NoColumn(name, *all);
      columns.with_features_ = columns.with_features_ || name == kFeatures;
    }
    columns.schema_ = arrow::schema(std::move(fields));
    return columns;
  }

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  // Of part `i`.
  Result<std::shared_ptr<arrow::RecordBatch>> Read(const dataset::Dataset& dataset,
                                                   size_t i) const {
    auto part = with_features_ ? dataset.ReadPart(i) : dataset.ReadRows(i);
    ARROW_RETURN_NOT_OK(part.status());
    ARROW_ASSIGN_OR_RAISE(const auto whole, dataset::ToRecordBatch(std::move(*part)));
    arrow::ArrayVector arrays;
    for (const std::string& name : names_) arrays.push_back(whole->GetColumnByName(name));
    return arrow::RecordBatch::Make(schema_, whole->num_rows(), std::move(arrays));
  }

 private:
  static Status NoColumn(const std::string& name, const arrow::Schema& all) {
    std::string there;
    for (const auto& field : all.fields()) there += (there.empty() ? "" : ", ") + field->name();
    return UsageError("the dataset has no column " + Quoted(name) + ": it has " + there);
  }

  std::vector<std::string> names_;
  std::shared_ptr<arrow::Schema> schema_;
  bool with_features_ = false;
};

// Part after part.
class Reader : public arrow::RecordBatchReader {
 public:
  Reader(std::shared_ptr<const Opened> opened, Columns columns)
      : opened_(std::move(opened)), columns_(std::move(columns)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return columns_.schema(); }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    const dataset::Dataset& dataset = *opened_->dataset;
    while (next_ < dataset.num_parts() && dataset.manifest().parts[next_].rows == 0) ++next_;
    if (next_ == dataset.num_parts()) return Status::OK();
    return columns_.Read(dataset, next_++).Value(batch);
  }

 private:
  std::shared_ptr<const Opened> opened_;
  const Columns columns_;
  size_t next_ = 0;
};

// Of the Arrow PyCapsule interface; what nobody took is released with it.
template <typename Held>
nb::object Capsule(std::unique_ptr<Held> held, const char* name) {
  const auto release = [](PyObject* capsule) {
    auto* of = static_cast<Held*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
    if (of->release != nullptr) of->release(of);
    delete of;
  };
  PyObject* capsule = PyCapsule_New(held.get(), name, release);
  if (capsule == nullptr) throw nb::python_error();
  static_cast<void>(held.release());
  return nb::steal(capsule);
}

nb::object SchemaCapsule(const arrow::Schema& of) {
  auto schema = std::make_unique<ArrowSchema>();
  Check(arrow::ExportSchema(of, schema.get()));
  return Capsule(std::move(schema), "arrow_schema");
}

struct DatasetFlags : cli::ResultsFlags {
  void Add(CLI::App* command) { ResultsFlags::Add(command, "Results folder"); }
};

Result<std::shared_ptr<const Opened>> Open(const Args& args) {
  ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<DatasetFlags>("verify", args));
  auto opened = std::make_shared<Opened>();
  ARROW_ASSIGN_OR_RAISE(opened->store, io::OpenStore(flags->results, flags->bucket.options));
  ARROW_ASSIGN_OR_RAISE(opened->dataset, dataset::Dataset::Open(*opened->store));
  return opened;
}

class Dataset {
 public:
  explicit Dataset(const Args& args)
      : opened_(
            Interruptible([&](const Observer&, const std::stop_token&) { return Open(args); })) {}

  nb::str uri() const { return DecodeName(opened_->store->uri()); }
  int64_t rows() const { return dataset().rows(); }
  int dimension() const { return dataset().dimension(); }
  std::string manifest() const { return dataset::ToText(dataset().manifest()); }
  nb::object Schema(std::optional<std::vector<std::string>> names) const {
    return SchemaCapsule(*Value(Columns::Choose(dataset(), std::move(names))).schema());
  }

  nb::object Stream(std::optional<std::vector<std::string>> names) const {
    auto columns = Value(Columns::Choose(dataset(), std::move(names)));
    auto stream = std::make_unique<ArrowArrayStream>();
    auto reader = std::make_shared<Reader>(opened_, std::move(columns));
    Check(arrow::ExportRecordBatchReader(std::move(reader), stream.get()));
    return Capsule(std::move(stream), "arrow_array_stream");
  }

  size_t parts() const { return dataset().num_parts(); }

  nb::tuple Batch(size_t part, std::optional<std::vector<std::string>> names) const {
    if (part >= parts()) throw nb::index_error("no such part");
    const auto columns = Value(Columns::Choose(dataset(), std::move(names)));
    const auto batch = Interruptible(
        [&](const Observer&, const std::stop_token&) { return columns.Read(dataset(), part); });
    auto array = std::make_unique<ArrowArray>();
    Check(arrow::ExportRecordBatch(*batch, array.get()));
    return nb::make_tuple(SchemaCapsule(*batch->schema()),
                          Capsule(std::move(array), "arrow_array"));
  }

  nb::bytes Rejected() const {
    return File([](const Opened& opened) { return dataset::EncodeRejected(*opened.dataset); });
  }

  reduce::Pca Pca() const {
    return Interruptible([&](const Observer&, const std::stop_token&) { return CheckedPca(); });
  }

  nb::bytes Projection() const {
    return File([this](const Opened& opened) -> Result<std::string> {
      ARROW_RETURN_NOT_OK(CheckedPca().status());
      ARROW_RETURN_NOT_OK(reduce::LoadProjection(*opened.store).status());
      ARROW_ASSIGN_OR_RAISE(const auto bytes, opened.store->Read(reduce::kProjectionName));
      return bytes->ToString();
    });
  }

 private:
  const dataset::Dataset& dataset() const { return *opened_->dataset; }

  template <typename Read>
  nb::bytes File(const Read& read) const {
    return ToBytes(
        Interruptible([&](const Observer&, const std::stop_token&) { return read(*opened_); }));
  }

  Result<reduce::Pca> CheckedPca() const {
    ARROW_ASSIGN_OR_RAISE(reduce::Pca pca, reduce::LoadPca(*opened_->store));
    if (pca.dataset == reduce::DatasetIdentity(dataset().manifest())) return pca;
    return Status::Invalid(opened_->store->Describe("pca"),
                           " belongs to other features than these: run pomona.reduce, or open the "
                           "dataset anew");
  }

  std::shared_ptr<const Opened> opened_;
};

}  // namespace

void AddDataset(nb::module_& module) {
  nb::class_<Dataset>(module, "Dataset",
                      "What is committed in a results folder: `args` are RESULTS and the flags of "
                      "buckets.")
      .def(nb::init<const Args&>(), "args"_a)
      .def_prop_ro("uri", &Dataset::uri)
      .def_prop_ro("rows", &Dataset::rows)
      .def_prop_ro("dimension", &Dataset::dimension)
      .def("manifest", &Dataset::manifest, "JSON.")
      .def("schema", &Dataset::Schema, "columns"_a.none() = nb::none(),
           nb::sig("def schema(self, columns: list[str] | None = None) -> object"),
           "A capsule \"arrow_schema\".")
      .def(
          "stream", &Dataset::Stream, "columns"_a.none() = nb::none(),
          nb::sig("def stream(self, columns: list[str] | None = None) -> object"),
          "A capsule \"arrow_array_stream\": a batch a part, in the manifest's order, each checked "
          "against what the manifest says of it.")
      .def_prop_ro("parts", &Dataset::parts)
      .def("batch", &Dataset::Batch, "part"_a, "columns"_a.none() = nb::none(),
           nb::sig("def batch(self, part: int, columns: list[str] | None = None) -> "
                   "tuple[object, object]"),
           "One part, as capsules \"arrow_schema\" and \"arrow_array\".")
      .def("rejected", &Dataset::Rejected, "The images without a feature: a Parquet file.")
      .def("pca", &Dataset::Pca)
      .def("projection", &Dataset::Projection, "A Parquet file.");
}

}  // namespace pomona::python
