// Text on its way between Python and the system: names of files need not be UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nanobind/nanobind.h>

namespace pomona::python {

// The words of a command line, in the bytes that os.fsencode gives.
struct Args : std::vector<std::string> {
  using vector::vector;
};

// os.fsencode of a str: false, with an exception set, if it cannot be.
inline bool EncodeName(nanobind::handle text, std::string* name) {
  PyObject* bytes = PyUnicode_EncodeFSDefault(text.ptr());
  if (bytes == nullptr) return false;
  const auto held = nanobind::steal<nanobind::bytes>(bytes);
  name->assign(held.c_str(), held.size());
  return true;
}

// os.fsdecode.
inline nanobind::str DecodeName(std::string_view name) {
  PyObject* text =
      PyUnicode_DecodeFSDefaultAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
  if (text == nullptr) throw nanobind::python_error();
  return nanobind::steal<nanobind::str>(text);
}

}  // namespace pomona::python

namespace nanobind::detail {

template <>
struct type_caster<pomona::python::Args> {
  NB_TYPE_CASTER(pomona::python::Args, const_name("collections.abc.Sequence[str]"))

  bool from_python(handle source, uint8_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
    if (!isinstance<list>(source) && !isinstance<nanobind::tuple>(source)) return false;
    value.clear();
    for (Py_ssize_t i = 0; i < PySequence_Size(source.ptr()); ++i) {
      const object word = steal(PySequence_GetItem(source.ptr(), i));
      std::string name;
      if (!isinstance<str>(word) || !pomona::python::EncodeName(word, &name)) {
        PyErr_Clear();
        return false;
      }
      value.push_back(std::move(name));
    }
    return true;
  }
};

}  // namespace nanobind::detail
