// pomona._native: what the Python package is made of. One file a concern adds its part.
#include "module.h"

#include <string>

#include <nanobind/nanobind.h>

#include "args.h"
#include "pomona/model/card.h"
#include "pomona/reduce/blas.h"

NB_MODULE(_native, module) {
  using namespace nanobind::literals;  // NOLINT: for "name"_a
  module.doc() = "The native half of the package: see pomona for what it is for.";
  module.def(
      "use_models",
      [](const nanobind::str& folder) {
        std::string name;
        if (!pomona::python::EncodeName(folder, &name)) throw nanobind::python_error();
        pomona::model::SetOwnCardFolder(name);
      },
      "folder"_a, "The package's own model cards, instead of those of the sources.");
  pomona::reduce::UseOneBlasThread();  // here, so that a library that will not do fails the import
  pomona::python::AddCall(module);
  pomona::python::AddCluster(module);
  pomona::python::AddDataset(module);
  pomona::python::AddFeaturizer(module);
  pomona::python::AddPca(module);
}
