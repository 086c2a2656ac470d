#include "pomona/model/runner.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include <openvino/core/preprocess/pre_post_process.hpp>
#include <openvino/runtime/core.hpp>
#include <openvino/runtime/properties.hpp>

#include "pomona/model/checksum.h"
#include "pomona/model/graph.h"
#include "pomona/model/resnet50.h"
#include "pomona/model/weights.h"

namespace pomona::model {
namespace {

namespace fs = std::filesystem;

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
      request->infer();
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

// A user's own file is not held to the checksums of the published one; its hash is recorded.
Result<std::string> HashAndCheck(const Card& card, const fs::path& file, bool users_own) {
  ARROW_ASSIGN_OR_RAISE(std::string sha256, HashWeights(file));
  if (!users_own) {
    ARROW_RETURN_NOT_OK(CheckStated(card.weights, file, sha256));
    ARROW_RETURN_NOT_OK(CheckPinned(file, sha256));
  }
  return sha256;
}

Result<std::shared_ptr<ov::Model>> BuildNetwork(const Card& card, const fs::path& file) {
  if (card.architecture == Architecture::kGraph) return ReadGraph(card, file);
  ARROW_ASSIGN_OR_RAISE(const Tensors tensors, ReadWeights(file));
  return BuildResnet50(card.architecture, card.input, tensors, file.string());
}

// Puts what the card's `input` says into the network, which then takes 8-bit RGB as it is.
std::shared_ptr<ov::Model> WithPreprocessing(const Input& input,
                                             const std::shared_ptr<ov::Model>& model) {
  ov::preprocess::PrePostProcessor wrapper(model);
  wrapper.input()
      .tensor()
      .set_element_type(ov::element::u8)
      .set_layout("NHWC")
      .set_color_format(ov::preprocess::ColorFormat::RGB);
  wrapper.input().model().set_layout(ov::Layout(InputLayout(*model)));
  auto& steps = wrapper.input().preprocess();
  steps.convert_element_type(ov::element::f32);
  if (input.channels == "bgr") steps.convert_color(ov::preprocess::ColorFormat::BGR);
  steps.mean(std::vector<float>(input.mean.begin(), input.mean.end()));
  steps.scale(std::vector<float>(input.scale.begin(), input.scale.end()));
  wrapper.output().tensor().set_element_type(ov::element::f32);
  return wrapper.build();
}

// One stream of one thread for each inference that may run at the same time. Precision is always
// said: on a CPU with AMX the plugin would otherwise run a float32 network in bfloat16. Threads are
// not pinned, as others on the machine may pin theirs to the same CPUs.
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
  ARROW_RETURN_NOT_OK(ParsePrecision(ToString(options.precision)));
  const bool users_own = !options.weights.empty();
  fs::path file = options.weights;
  if (!users_own) {
    ARROW_ASSIGN_OR_RAISE(file, FindWeights(card));
  }
  ARROW_ASSIGN_OR_RAISE(std::string sha256, HashAndCheck(card, file, users_own));
  ARROW_ASSIGN_OR_RAISE(const auto network, BuildNetwork(card, file));
  try {
    ov::CompiledModel compiled = Compile(WithPreprocessing(card.input, network), options);
    std::vector<ov::InferRequest> requests;
    for (int i = 0; i < options.threads; ++i) requests.push_back(compiled.create_infer_request());
    return std::make_unique<OpenVinoRunner>(card, options.precision, std::move(sha256),
                                            std::move(compiled), std::move(requests));
  } catch (const std::exception& e) {
    return Status::UnknownError("model '", card.id,
                                "': OpenVINO cannot compile it: ", OneLine(e.what()));
  }
}

}  // namespace pomona::model
