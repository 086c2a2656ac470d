#include <link.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <arrow/config.h>
#include <openvino/openvino.hpp>

#include "pomona/base/text.h"
#include "pomona/base/threads.h"
#include "pomona/base/version.h"
#include "pomona/cli/command.h"
#include "pomona/cli/flags.h"
#include "pomona/io/bucket_probe.h"
#include "pomona/model/card.h"
#include "pomona/model/runner.h"
#include "pomona/reduce/blas.h"

namespace pomona::cli {
namespace {

using nlohmann::json;

// The value of the first "key : value" line of /proc/cpuinfo with this key.
std::string CpuInfo(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos && colon + 2 <= line.size()) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

// CPU features that decide speed or precision here, as /proc/cpuinfo spells them.
std::vector<std::string> CpuFeatures() {
  static const std::vector<std::string> kWanted = {
      "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8"};
  const std::string flags = " " + CpuInfo("flags") + " ";
  std::vector<std::string> there;
  for (const std::string& name : kWanted) {
    if (flags.find(" " + name + " ") != std::string::npos) there.push_back(name);
  }
  return there;
}

// Files from which libraries were loaded whose name starts with `prefix`: more than one libtbb
// in a process is a known way to go wrong.
std::vector<std::string> LoadedLibraries(const std::string& prefix) {
  struct Search {
    std::string prefix;
    std::vector<std::string> found;
  } search{"/" + prefix, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* s = static_cast<Search*>(data);
        const std::string name = info->dlpi_name;
        const size_t slash = name.rfind('/');
        if (slash != std::string::npos && name.substr(slash).starts_with(s->prefix)) {
          s->found.push_back(name);
        }
        return 0;
      },
      &search);
  return search.found;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text.empty() ? "(none)" : text;
}

int64_t MemoryBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
}

// "f32 bf16; not int8: precision int8 needs ..."
std::string Precisions() {
  std::string can, cannot;
  for (const auto precision :
       {model::Precision::kF32, model::Precision::kBf16, model::Precision::kInt8}) {
    const Status status = model::CheckCpu(precision, model::ThisCpu());
    if (status.ok()) {
      can += (can.empty() ? "" : " ") + model::ToString(precision);
    } else {
      cannot += "; not " + model::ToString(precision) + ": " + status.message();
    }
  }
  return can + cannot;
}

Result<json> Engine() try {
  ov::Core core;
  return json{{"openvino", ov::get_openvino_version().buildNumber},
              {"device", core.get_property("CPU", ov::device::full_name)}};
} catch (const std::exception& e) {
  return Status::UnknownError("OpenVINO does not start: ", e.what());
}

Status CheckBlas() try {
  reduce::UseOneBlasThread();
  return Status::OK();
} catch (const std::exception& e) {
  return Status::Invalid(e.what());
}

Result<int> Run(Context* context) {
  Console& console = context->console;
  ARROW_ASSIGN_OR_RAISE(json report, Engine());
  const std::vector<std::string> tbb = LoadedLibraries("libtbb.so");
  const std::vector<std::string> openblas = LoadedLibraries("libopenblas");
  report["pomona"] = kVersion;
  report["arrow"] = arrow::GetBuildInfo().version_string;
  report["libtbb"] = tbb;
  report["openblas"] = openblas;
  report["cpu"] = CpuInfo("model name");
  report["cpu_features"] = CpuFeatures();
  report["cpus"] = AvailableCpus();
  report["memory_bytes"] = MemoryBytes();
  report["bf16"] = model::ThisCpu().bf16;
  report["int8"] = model::ThisCpu().vnni;
  report["models"] = json::object();

  console.Line("pomona    " + report["pomona"].get<std::string>());
  console.Line("CPU       " + report["cpu"].get<std::string>() + ", " +
               std::to_string(AvailableCpus()) + " usable");
  console.Line("features  " + Joined(CpuFeatures()));
  console.Line("precision " + Precisions());
  console.Line("memory    " + HumanBytes(MemoryBytes()));
  console.Line("OpenVINO  " + report["openvino"].get<std::string>());
  console.Line("Arrow     " + report["arrow"].get<std::string>());
  console.Line("oneTBB    " + Joined(tbb));
  console.Line("OpenBLAS  " + Joined(openblas));
  ARROW_ASSIGN_OR_RAISE(const auto cards, model::ListCards());
  for (const model::Card& card : cards) {
    const auto weights = model::FindWeights(card);
    report["models"][card.id] = weights.ok() ? json(weights->string()) : json();
    console.Line("model     " + card.id + ": " +
                 (weights.ok() ? "ready" : weights.status().message()));
  }
  if (tbb.size() > 1) {
    console.observer().Warn(
        "two copies of oneTBB are loaded, which is known to deadlock: remove "
        "other libtbb.so.12 files from LD_LIBRARY_PATH");
  }
  if (const Status blas = CheckBlas(); !blas.ok()) console.observer().Warn(blas.message());
  console.Json(report);
  return kExitDone;
}

struct DoctorFlags {
  std::string uri;
  BucketFlags bucket;
};

Result<int> RunBucket(const DoctorFlags& flags, Context* context) {
  Console& console = context->console;
  if (!io::IsBucketUri(flags.uri)) {
    return UsageError(Quoted(flags.uri) + " is no URI of a bucket: give s3://, gs:// or az://");
  }
  const std::string who = io::DescribeCredentials(flags.uri, flags.bucket.options);
  console.Line("credentials        " + who);
  ARROW_ASSIGN_OR_RAISE(const auto checks, io::ProbeBucket(flags.uri, flags.bucket.options));
  json report = {{"uri", flags.uri}, {"credentials", who}, {"checks", json::object()}};
  bool all = true;
  for (const io::BucketCheck& check : checks) {
    const std::string said = check.status.ok() ? "works" : check.status.message();
    console.Line(check.what + std::string(19 - check.what.size(), ' ') + said);
    report["checks"][check.what] = check.status.ok() ? json(true) : json(said);
    all = all && check.status.ok();
  }
  console.Json(report);
  return all ? kExitDone : kExitFailure;
}

}  // namespace

void AddDoctor(CLI::App* app, Context* context) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* command =
      app->add_subcommand("doctor", "What this machine has, or what a bucket allows");
  command->footer(
      "Examples:\n"
      "  pomona doctor --json\n"
      "  pomona doctor s3://fruits/results\n"
      "\n"
      "With a bucket's URI it says where credentials come from (not what they are) and tries to\n"
      "list, write, read and delete there, on an object of its own: .pomona-doctor-NUMBER.");
  command->add_option("URI", flags->uri, "A folder of a bucket: s3://, gs:// or az://")
      ->type_name("");
  flags->bucket.Add(command);
  command->callback([flags, context] {
    context->action = [flags, context] {
      return flags->uri.empty() ? Run(context) : RunBucket(*flags, context);
    };
  });
}

}  // namespace pomona::cli
