// ResNet50 from named tensors (He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition,
// 2015, arXiv:1512.03385), without its classifier.
#pragma once

#include <memory>
#include <string>

#include <openvino/core/model.hpp>

#include "pomona/base/status.h"
#include "pomona/model/card.h"
#include "pomona/model/weights.h"

namespace pomona::model {

// Input "image": 1 x 3 x height x width float32. Output "features": 1 x 2048 float32, the global
// average of the last feature map. `architecture` is one of the two ResNet50s. Batch norms are
// folded into the convolutions in double precision. Every tensor of the network must be there with
// its shape and without NaN or infinity, and none of a larger network; the error names `file` and
// the tensor.
Result<std::shared_ptr<ov::Model>> BuildResnet50(Architecture architecture, const Input& input,
                                                 const Tensors& tensors, const std::string& file);

}  // namespace pomona::model
