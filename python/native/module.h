// Each file of this folder adds its part to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace pomona::python {

void AddCall(nanobind::module_& module);
void AddCluster(nanobind::module_& module);
void AddDataset(nanobind::module_& module);
void AddFeaturizer(nanobind::module_& module);
void AddPca(nanobind::module_& module);

}  // namespace pomona::python
