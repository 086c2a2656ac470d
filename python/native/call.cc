// Commands inside a Python session.
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "args.h"
#include "interruptible.h"
#include "module.h"
#include "pomona/cli/command.h"

namespace pomona::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

std::pair<int, std::string> Call(const Args& args, nb::handle progress, nb::handle warning) {
  const cli::Answer answer = Interruptible(
      [&](const Observer& observer, std::stop_token stop) {
        return cli::Call(args, observer, std::move(stop));
      },
      progress, warning);
  return {answer.exit_code,
          answer.result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace

void AddCall(nb::module_& module) {
  module.def("call", &Call, "args"_a, "progress"_a.none() = nb::none(),
             "warning"_a.none() = nb::none(),
             "Runs a command: its exit code, and as JSON what it prints with --json.");
}

}  // namespace pomona::python
