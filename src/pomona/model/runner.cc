#include "pomona/model/runner.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include <tbb/task_arena.h>
#include <openvino/runtime/core.hpp>
#include <openvino/runtime/properties.hpp>

#include "pomona/model/graph.h"
#include "pomona/model/network.h"

namespace pomona::model {
namespace {

// Infer requests that threads borrow and give back.
class RequestPool {
 public:
  explicit RequestPool(std::vector<ov::InferRequest> requests) : free_(std::move(requests)) {}

  ov::InferRequest Take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !free_.empty(); });
    ov::InferRequest request = std::move(free_.back());
    free_.pop_back();
    return request;
  }

  void Return(ov::InferRequest request) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(request));
    }
    returned_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<ov::InferRequest> free_;
};

class OpenVinoRunner : public Runner {
 public:
  OpenVinoRunner(Card card, Precision precision, std::string sha256, ov::CompiledModel compiled,
                 std::vector<ov::InferRequest> requests)
      : card_(std::move(card)),
        precision_(precision),
        sha256_(std::move(sha256)),
        compiled_(std::move(compiled)),
        pool_(std::move(requests)),
        pixels_shape_(compiled_.input().get_shape()),
        features_shape_(compiled_.output().get_shape()) {}

  const Card& card() const override { return card_; }
  Precision precision() const override { return precision_; }
  const std::string& weights_sha256() const override { return sha256_; }

  Status Run(std::span<const uint8_t> rgb, std::span<float> features) override {
    if (rgb.size() != ov::shape_size(pixels_shape_) ||
        features.size() != ov::shape_size(features_shape_)) {
      return Status::Invalid("model '", card_.id, "' takes ", ov::shape_size(pixels_shape_),
                             " bytes and gives ", ov::shape_size(features_shape_), " numbers, not ",
                             rgb.size(), " and ", features.size());
    }
    ov::InferRequest request = pool_.Take();
    Status status = Infer(&request, rgb, features);
    pool_.Return(std::move(request));
    return status;
  }

 private:
  // The network reads the caller's pixels and writes the caller's features, without a copy.
  Status Infer(ov::InferRequest* request, std::span<const uint8_t> rgb,
               std::span<float> features) const {
    try {
      request->set_input_tensor(ov::Tensor(ov::element::u8, pixels_shape_, rgb.data()));
      request->set_output_tensor(ov::Tensor(ov::element::f32, features_shape_, features.data()));
      // Where the process may not use every CPU, OpenVINO's oneTBB binds whoever enters a stream
      // and looks the caller's index in its own arena up in a list as long as the stream has
      // threads: beyond the end for all but the first callers. In an arena of one, everybody is the
      // first.
      tbb::task_arena(1).execute([&] { request->infer(); });
    } catch (const std::exception& e) {
      return Status::UnknownError("model '", card_.id, "': OpenVINO: ", OneLine(e.what()));
    }
    return Status::OK();
  }

  const Card card_;
  const Precision precision_;
  const std::string sha256_;
  ov::CompiledModel compiled_;
  RequestPool pool_;
  const ov::Shape pixels_shape_;
  const ov::Shape features_shape_;
};

struct Chosen {
  Card card;
  WeightsFile weights;
};

// What is to run for `card`: itself or, in int8, the form that was made from its weights.
Result<Chosen> Choose(const Card& card, const RunnerOptions& options) {
  const bool int8 = options.precision == Precision::kInt8;
  if (card.quantized_from && !int8) {
    return UsageError("model '" + card.id + "' holds int8 weights only: use --precision int8, or " +
                      "--model " + card.quantized_from->id);
  }
  ARROW_ASSIGN_OR_RAISE(WeightsFile weights, CheckedWeights(card, options.weights));
  if (card.quantized_from || !int8) return Chosen{card, std::move(weights)};
  ARROW_ASSIGN_OR_RAISE(Card quantized, FindInt8(card, weights.sha256));
  ARROW_ASSIGN_OR_RAISE(weights, CheckedWeights(quantized, {}));
  return Chosen{std::move(quantized), std::move(weights)};
}

// One stream of one thread for each inference that may run at the same time. Precision is always
// said: on a CPU with AMX the plugin would otherwise run a float32 network, and what an int8 one
// leaves in float32, in bfloat16. Threads are not pinned, as others on the machine may pin theirs
// to the same CPUs.
ov::CompiledModel Compile(const std::shared_ptr<ov::Model>& model, const RunnerOptions& options) {
  const bool bf16 = options.precision == Precision::kBf16;
  return ov::Core().compile_model(
      model, "CPU", ov::hint::inference_precision(bf16 ? ov::element::bf16 : ov::element::f32),
      ov::num_streams(options.threads), ov::inference_num_threads(options.threads),
      ov::hint::enable_cpu_pinning(false));
}

}  // namespace

Result<std::unique_ptr<Runner>> Runner::Load(const Card& card, const RunnerOptions& options) {
  if (options.threads < 1) return UsageError("threads must be at least 1");
  ARROW_RETURN_NOT_OK(CheckCpu(options.precision, options.cpu));
  ARROW_ASSIGN_OR_RAISE(Chosen chosen, Choose(card, options));
  ARROW_ASSIGN_OR_RAISE(const auto network, BuildNetwork(chosen.card, chosen.weights.path));
  try {
    ov::CompiledModel compiled = Compile(WithPreprocessing(chosen.card.input, network), options);
    std::vector<ov::InferRequest> requests;
    for (int i = 0; i < options.threads; ++i) requests.push_back(compiled.create_infer_request());
    return std::make_unique<OpenVinoRunner>(std::move(chosen.card), options.precision,
                                            std::move(chosen.weights.sha256), std::move(compiled),
                                            std::move(requests));
  } catch (const std::exception& e) {
    return Status::UnknownError("model '", card.id,
                                "': OpenVINO cannot compile it: ", OneLine(e.what()));
  }
}

}  // namespace pomona::model
