// pomona._native: what the Python package is made of. One file a concern adds its part.
#include "module.h"

#include <nanobind/nanobind.h>

#include "pomona/base/version.h"

NB_MODULE(_native, module) {
  module.doc() = "The native half of the package: see pomona for what it is for.";
  module.def(
      "version", [] { return pomona::kVersion; }, "The engine's version.");
  pomona::python::AddCall(module);
  pomona::python::AddCluster(module);
  pomona::python::AddDataset(module);
  pomona::python::AddFeaturizer(module);
  pomona::python::AddPca(module);
}
