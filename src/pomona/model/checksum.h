// Whether a file of weights is the one its publisher means.
#pragma once

#include <filesystem>
#include <string>

#include "pomona/base/status.h"
#include "pomona/model/card.h"

namespace pomona::model {

// SHA-256 of what decides the network: the file or, for an OpenVINO IR, its .xml followed by its
// .bin (`cat model.xml model.bin | sha256sum`).
Result<std::string> HashWeights(const std::filesystem::path& file);

// Compares `file`, whose HashWeights is `sha256`, with every checksum the card states. The error
// gives both values.
Status CheckStated(const Weights& stated, const std::filesystem::path& file,
                   const std::string& sha256);

// Compares `sha256` with what PinWeights wrote for `file`; OK if it never did.
Status CheckPinned(const std::filesystem::path& file, const std::string& sha256);

// Writes FILE.sha256 (as sha256sum does) unless it is there, so that a publisher who states no full
// SHA-256 is held to what was downloaded first.
Status PinWeights(const std::filesystem::path& file, const std::string& sha256);

}  // namespace pomona::model
