// consumer IMAGE RESULTS: the image's size, the length of its feature, and whether RESULTS holds a
// dataset; exit code 1 with the reason if something fails.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/dataset/dataset.h"
#include "pomona/image/decode.h"
#include "pomona/image/recipe.h"
#include "pomona/io/store.h"
#include "pomona/model/card.h"
#include "pomona/model/runner.h"

namespace {

pomona::Result<std::vector<float>> Feature(const pomona::image::Image& image) {
  ARROW_ASSIGN_OR_RAISE(auto card, pomona::model::FindCard("efficientnet-lite0"));
  ARROW_ASSIGN_OR_RAISE(auto runner, pomona::model::Runner::Load(card, {}));
  const auto prepared = pomona::image::Prepare(image, {});
  std::vector<float> feature(static_cast<size_t>(runner->dimension()));
  ARROW_RETURN_NOT_OK(runner->Run(prepared.rgb, feature));
  return feature;
}

pomona::Status Main(const char* image_file, const char* results) {
  std::ifstream file(image_file, std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  const auto image = pomona::image::Decode(bytes, {});
  if (!image.ok()) return pomona::Status::Invalid(image.rejection().detail);
  std::cout << image.value().width << " x " << image.value().height << " pixels\n";

  ARROW_ASSIGN_OR_RAISE(const auto feature, Feature(image.value()));
  std::cout << feature.size() << " numbers\n";

  ARROW_ASSIGN_OR_RAISE(const auto store, pomona::io::OpenStore(results));
  const auto dataset = pomona::dataset::Dataset::Open(*store);
  if (dataset.ok()) return pomona::Status::Invalid("a dataset where none can be");
  if (!pomona::IsNothingToRead(dataset.status())) return dataset.status();
  std::cout << "no dataset\n";
  return pomona::Status::OK();
}

}  // namespace

int main(int argc, char** argv) {
  const auto status =
      argc == 3 ? Main(argv[1], argv[2]) : pomona::Status::Invalid("usage: consumer IMAGE RESULTS");
  if (!status.ok()) std::cerr << status.ToString() << '\n';
  return status.ok() ? 0 : 1;
}
