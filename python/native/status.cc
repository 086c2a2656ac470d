#include "status.h"

#include <string>

#include <nanobind/nanobind.h>

#include "pomona/base/text.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;

nb::object ExceptionFor(const Status& status) {
  if (status.IsCancelled()) return nb::borrow(PyExc_KeyboardInterrupt);
  const nb::module_ errors = nb::module_::import_("pomona.errors");
  if (IsUsageError(status)) return errors.attr("UsageError");
  if (IsNothingToRead(status)) return errors.attr("NothingToRead");
  if (IsConflict(status)) return errors.attr("Conflict");
  return errors.attr("PomonaError");
}

}  // namespace

void Check(const Status& status) {
  if (status.ok()) return;
  const std::string text = ToUtf8(status.message());
  const nb::str message(text.c_str(), text.size());
  PyErr_SetObject(ExceptionFor(status).ptr(), message.ptr());
  throw nb::python_error();
}

}  // namespace pomona::python
