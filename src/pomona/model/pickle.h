// A reader of pickles that knows tensors and nothing else. A pickle is a program for a stack
// machine (https://github.com/python/cpython/blob/main/Lib/pickletools.py); this one has no
// instruction that could call anything: a pickle that asks for any other name is refused.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "pomona/base/status.h"
#include "pomona/model/elements.h"

namespace pomona::model {

// A tensor of a state dict, as a view on a storage kept elsewhere in the file.
struct TensorView {
  std::string name;
  std::string storage;  // key
  ElementType type = ElementType::kOther;
  int64_t offset = 0;  // in elements, as the strides
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// The objects a pickle describes. They refer to each other by index, so that one which contains
// itself is no problem.
class Pickle {
 public:
  // Reads the pickle at the start of `bytes`, which may go on behind it.
  static Result<Pickle> Load(std::span<const uint8_t> bytes);

  // Bytes it took.
  size_t size() const { return size_; }

  // If it is a state dict (or a dict that holds one as "state_dict"): its tensors, with every shape
  // and stride list of one length. Entries that are no tensors are left out.
  Result<std::vector<TensorView>> StateDict() const;
  // If it is a list of texts: the texts.
  Result<std::vector<std::string>> Texts() const;

 private:
  friend class PickleMachine;

  enum class Kind {
    kNothing,  // None, booleans, floats, and integers beyond 64 bits: read, never used
    kInteger,
    kText,
    kTuple,
    kList,
    kDict,         // items: key, value, key, value, ...
    kStorageType,  // torch.FloatStorage ...
    kStorage,
    kTensor,  // items: storage, offset, shape, strides
    kMakeDict,
    kMakeTensor,
    kMakeParameter,
  };
  struct Object {
    Kind kind = Kind::kNothing;
    ElementType type = ElementType::kOther;
    int64_t integer = 0;
    std::string text = {};
    std::vector<uint32_t> items = {};
  };

  const Object& Item(const Object& object, size_t i) const { return objects_[object.items[i]]; }
  // A text short enough to be kept with every entry that uses it, and not one of too many.
  Result<std::string> Name(const Object& text, size_t already) const;
  Result<TensorView> View(const std::string& name, const Object& tensor) const;
  Result<std::vector<int64_t>> Integers(const Object& tuple) const;

  std::deque<Object> objects_;
  uint32_t root_ = 0;
  size_t size_ = 0;
};

}  // namespace pomona::model
