// Each file of this folder adds its part to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace pomona::python {}  // namespace pomona::python
