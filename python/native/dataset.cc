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

#include "array.h"
#include "interruptible.h"
#include "module.h"
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

// Part after part, of `columns`.
class Reader : public arrow::RecordBatchReader {
 public:
  Reader(std::shared_ptr<const Opened> opened, std::vector<std::string> columns)
      : opened_(std::move(opened)), columns_(std::move(columns)) {
    const auto all = dataset::RowSchema(opened_->dataset->dimension());
    arrow::FieldVector fields;
    for (const std::string& column : columns_) {
      fields.push_back(all->GetFieldByName(column));
      with_features_ = with_features_ || column == kFeatures;
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    const dataset::Dataset& dataset = *opened_->dataset;
    while (next_ < dataset.num_parts() && dataset.manifest().parts[next_].rows == 0) ++next_;
    if (next_ == dataset.num_parts()) {
      batch->reset();
      return Status::OK();
    }
    auto part = with_features_ ? dataset.ReadPart(next_) : dataset.ReadRows(next_);
    ARROW_RETURN_NOT_OK(part.status());
    ++next_;
    ARROW_ASSIGN_OR_RAISE(const auto whole, dataset::ToRecordBatch(std::move(*part)));
    arrow::ArrayVector arrays;
    for (const std::string& column : columns_) arrays.push_back(whole->GetColumnByName(column));
    *batch = arrow::RecordBatch::Make(schema_, whole->num_rows(), std::move(arrays));
    return Status::OK();
  }

 private:
  std::shared_ptr<const Opened> opened_;
  std::vector<std::string> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  bool with_features_ = false;
  size_t next_ = 0;
};

// Of the Arrow PyCapsule interface; what nobody took is released with it.
nb::object StreamCapsule(std::shared_ptr<arrow::RecordBatchReader> reader) {
  auto stream = std::make_unique<ArrowArrayStream>();
  Check(arrow::ExportRecordBatchReader(std::move(reader), stream.get()));
  const auto release = [](PyObject* capsule) {
    auto* held =
        static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule, "arrow_array_stream"));
    if (held->release != nullptr) held->release(held);
    delete held;
  };
  PyObject* capsule = PyCapsule_New(stream.get(), "arrow_array_stream", release);
  if (capsule == nullptr) throw nb::python_error();
  stream.release();
  return nb::steal(capsule);
}

nb::object SchemaCapsule(const arrow::Schema& of) {
  auto schema = std::make_unique<ArrowSchema>();
  Check(arrow::ExportSchema(of, schema.get()));
  const auto release = [](PyObject* capsule) {
    auto* held = static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsule, "arrow_schema"));
    if (held->release != nullptr) held->release(held);
    delete held;
  };
  PyObject* capsule = PyCapsule_New(schema.get(), "arrow_schema", release);
  if (capsule == nullptr) throw nb::python_error();
  schema.release();
  return nb::steal(capsule);
}

struct DatasetFlags : cli::ResultsFlags {
  void Add(CLI::App* command) { ResultsFlags::Add(command, "Results folder"); }
};

Result<std::shared_ptr<const Opened>> Open(const std::vector<std::string>& args) {
  ARROW_ASSIGN_OR_RAISE(const auto flags, cli::ParseFlags<DatasetFlags>("verify", args));
  auto opened = std::make_shared<Opened>();
  ARROW_ASSIGN_OR_RAISE(opened->store, io::OpenStore(flags->results, flags->bucket.options));
  ARROW_ASSIGN_OR_RAISE(opened->dataset, dataset::Dataset::Open(*opened->store));
  return opened;
}

class Dataset {
 public:
  explicit Dataset(const std::vector<std::string>& args)
      : opened_(
            Interruptible([&](const Observer&, const std::stop_token&) { return Open(args); })) {}

  const std::string& uri() const { return opened_->store->uri(); }
  int64_t rows() const { return dataset().rows(); }
  int dimension() const { return dataset().dimension(); }
  std::string manifest() const { return dataset::ToText(dataset().manifest()); }
  nb::object Schema() const { return SchemaCapsule(*dataset::RowSchema(dimension())); }

  nb::object Stream(std::optional<std::vector<std::string>> columns) const {
    const auto schema = dataset::RowSchema(dimension());
    if (!columns) columns = schema->field_names();
    for (const std::string& column : *columns) {
      if (schema->GetFieldIndex(column) >= 0) continue;
      Check(UsageError("the dataset has no column '" + column + "': it has " +
                       JoinNames(schema->field_names())));
    }
    return StreamCapsule(std::make_shared<Reader>(opened_, std::move(*columns)));
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

  static std::string JoinNames(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

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
      .def(nb::init<const std::vector<std::string>&>(), "args"_a)
      .def_prop_ro("uri", &Dataset::uri)
      .def_prop_ro("rows", &Dataset::rows)
      .def_prop_ro("dimension", &Dataset::dimension)
      .def("manifest", &Dataset::manifest, "JSON.")
      .def("schema", &Dataset::Schema, nb::sig("def schema(self) -> types.CapsuleType"),
           "A capsule \"arrow_schema\" of all columns.")
      .def(
          "stream", &Dataset::Stream, "columns"_a.none() = nb::none(),
          nb::sig("def stream(self, columns: list[str] | None = None) -> types.CapsuleType"),
          "A capsule \"arrow_array_stream\": a batch a part, in the manifest's order, each checked "
          "against what the manifest says of it.")
      .def("rejected", &Dataset::Rejected, "The images without a feature: a Parquet file.")
      .def("pca", &Dataset::Pca)
      .def("projection", &Dataset::Projection, "A Parquet file.");
}

}  // namespace pomona::python
