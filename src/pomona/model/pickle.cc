#include "pomona/model/pickle.h"

#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "pomona/base/text.h"

namespace pomona::model {
namespace {

constexpr size_t kMaxBytes = 16 << 20;     // ResNet50's state dict takes 30 kB
constexpr size_t kMaxObjects = 1'000'000;  // and 5,000 objects
constexpr size_t kMaxEntries = 100'000;    // and 320 tensors
constexpr size_t kMaxNameSize = 1024;
constexpr size_t kMaxRank = 8;

// The instructions that picklers write for dicts, lists, tuples, numbers, text and persistent ids,
// by the names pickletools gives them.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kEmptyDict = '}',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

}  // namespace

class PickleMachine {
 public:
  explicit PickleMachine(std::span<const uint8_t> bytes)
      : bytes_(bytes.first(std::min(bytes.size(), kMaxBytes))) {}

  Result<Pickle> Run() {
    bool stopped = false;
    while (!stopped) {
      Status status = Step(&stopped);
      if (!status.ok()) return WithContext(status, "pickle, byte " + std::to_string(at_));
    }
    pickle_.size_ = at_;
    return std::move(pickle_);
  }

 private:
  using Kind = Pickle::Kind;
  using Object = Pickle::Object;
  static constexpr uint32_t kMarker = UINT32_MAX;  // on the stack, in place of an object

  Status Step(bool* stopped) {
    uint8_t op = 0;
    ARROW_RETURN_NOT_OK(Number(&op));
    switch (op) {
      case kStop:
        *stopped = true;
        return PopObject(&pickle_.root_);
      case kProto:
        return Skip(1);
      case kFrame:
        return Skip(8);
      case kBinFloat:
        ARROW_RETURN_NOT_OK(Skip(8));
        return Push({});
      case kNone:
      case kNewTrue:
      case kNewFalse:
        return Push({});
      case kBinInt:
        return PushInteger<int32_t>();
      case kBinInt1:
        return PushInteger<uint8_t>();
      case kBinInt2:
        return PushInteger<uint16_t>();
      case kLong1:
        return PushLong();
      case kBinUnicode:
      case kBinString:
        return PushText<uint32_t>();
      case kShortBinUnicode:
      case kShortBinString:
        return PushText<uint8_t>();
      default:
        return StepContainer(op);
    }
  }

  Status StepContainer(uint8_t op) {
    switch (op) {
      case kMark:
        stack_.push_back(kMarker);
        return Status::OK();
      case kPop:
        return Pop();
      case kPopMark: {
        std::vector<uint32_t> dropped;
        return PopToMark(&dropped);
      }
      case kEmptyDict:
        return Push({.kind = Kind::kDict});
      case kEmptyList:
        return Push({.kind = Kind::kList});
      case kEmptyTuple:
        return PushTuple(0);
      case kTuple1:
        return PushTuple(1);
      case kTuple2:
        return PushTuple(2);
      case kTuple3:
        return PushTuple(3);
      case kTuple: {
        Object tuple{.kind = Kind::kTuple};
        ARROW_RETURN_NOT_OK(PopToMark(&tuple.items));
        return Push(std::move(tuple));
      }
      case kAppend:
        return Extend(Kind::kList, 1);
      case kSetItem:
        return Extend(Kind::kDict, 2);
      case kAppends:
        return ExtendToMark(Kind::kList);
      case kSetItems:
        return ExtendToMark(Kind::kDict);
      default:
        return StepReference(op);
    }
  }

  Status StepReference(uint8_t op) {
    switch (op) {
      case kBinPut:
        return Put<uint8_t>();
      case kLongBinPut:
        return Put<uint32_t>();
      case kMemoize:
        return Remember(static_cast<uint32_t>(memo_.size()));
      case kBinGet:
        return Get<uint8_t>();
      case kLongBinGet:
        return Get<uint32_t>();
      case kGlobal:
        return PushGlobal();
      case kStackGlobal:
        return PushStackGlobal();
      case kBinPersId:
        return PushStorage();
      case kReduce:
        return Reduce();
      case kBuild:
        return Build();
      default:
        return Status::Invalid("instruction ", static_cast<int>(op), " is not one of a state dict");
    }
  }

  // Bytes ------------------------------------------------------------------------------------

  Status Take(uint64_t n, std::string_view* out) {
    if (n > bytes_.size() - at_) return Status::Invalid("it is cut short, or too long");
    *out = {reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<size_t>(n)};
    at_ += static_cast<size_t>(n);
    return Status::OK();
  }

  Status Skip(uint64_t n) {
    std::string_view ignored;
    return Take(n, &ignored);
  }

  template <typename T>
  Status Number(T* out) {
    std::string_view raw;
    ARROW_RETURN_NOT_OK(Take(sizeof(T), &raw));
    std::memcpy(out, raw.data(), sizeof(T));
    return Status::OK();
  }

  Status Line(std::string* out) {
    const auto* start = bytes_.data() + at_;
    const void* end = std::memchr(start, '\n', bytes_.size() - at_);
    if (end == nullptr) return Status::Invalid("it is cut short");
    out->assign(start, static_cast<const uint8_t*>(end));
    at_ += out->size() + 1;
    return Status::OK();
  }

  // Stack ------------------------------------------------------------------------------------

  Status Push(Object object) {
    if (pickle_.objects_.size() >= kMaxObjects) return Status::Invalid("it holds too many objects");
    stack_.push_back(static_cast<uint32_t>(pickle_.objects_.size()));
    pickle_.objects_.push_back(std::move(object));
    return Status::OK();
  }

  Status Pop() {
    if (stack_.empty()) return Status::Invalid("it takes more from its stack than there is");
    stack_.pop_back();
    return Status::OK();
  }

  Status PopObject(uint32_t* out) {
    if (stack_.empty() || stack_.back() == kMarker) {
      return Status::Invalid("it takes more from its stack than there is");
    }
    *out = stack_.back();
    stack_.pop_back();
    return Status::OK();
  }

  Status PopToMark(std::vector<uint32_t>* out) {
    size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1] != kMarker) --mark;
    if (mark == 0) return Status::Invalid("it takes more from its stack than there is");
    out->assign(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
    stack_.resize(mark - 1);
    return Status::OK();
  }

  // The object on top of the stack, which stays there.
  Result<Object*> Top() {
    if (stack_.empty() || stack_.back() == kMarker) return Status::Invalid("its stack is empty");
    return &pickle_.objects_[stack_.back()];
  }

  Object& At(uint32_t index) { return pickle_.objects_[index]; }

  // Values -----------------------------------------------------------------------------------

  template <typename T>
  Status PushInteger() {
    T value = 0;
    ARROW_RETURN_NOT_OK(Number(&value));
    return Push({.kind = Kind::kInteger, .integer = value});
  }

  // Two's complement, little-endian, any number of bytes.
  Status PushLong() {
    uint8_t n = 0;
    std::string_view raw;
    ARROW_RETURN_NOT_OK(Number(&n));
    ARROW_RETURN_NOT_OK(Take(n, &raw));
    if (raw.size() > sizeof(int64_t)) return Push({});
    const bool negative = !raw.empty() && static_cast<uint8_t>(raw.back()) >= 0x80;
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, raw.data(), raw.size());
    return Push({.kind = Kind::kInteger, .integer = value});
  }

  template <typename Length>
  Status PushText() {
    Length n = 0;
    std::string_view raw;
    ARROW_RETURN_NOT_OK(Number(&n));
    ARROW_RETURN_NOT_OK(Take(n, &raw));
    return Push({.kind = Kind::kText, .text = std::string(raw)});
  }

  Status PushTuple(size_t n) {
    Object tuple{.kind = Kind::kTuple};
    tuple.items.resize(n);
    for (size_t i = n; i-- > 0;) ARROW_RETURN_NOT_OK(PopObject(&tuple.items[i]));
    return Push(std::move(tuple));
  }

  Status Extend(Kind kind, size_t n) {
    uint32_t items[2];
    for (size_t i = n; i-- > 0;) ARROW_RETURN_NOT_OK(PopObject(&items[i]));
    return ExtendTop(kind, std::span(items, n));
  }

  Status ExtendToMark(Kind kind) {
    std::vector<uint32_t> items;
    ARROW_RETURN_NOT_OK(PopToMark(&items));
    return ExtendTop(kind, items);
  }

  Status ExtendTop(Kind kind, std::span<const uint32_t> items) {
    ARROW_ASSIGN_OR_RAISE(Object * container, Top());
    if (container->kind != kind || (kind == Kind::kDict && items.size() % 2 != 0)) {
      return Status::Invalid("it adds to something that is no list or dict");
    }
    container->items.insert(container->items.end(), items.begin(), items.end());
    return Status::OK();
  }

  template <typename T>
  Status Put() {
    T key = 0;
    ARROW_RETURN_NOT_OK(Number(&key));
    return Remember(key);
  }

  Status Remember(uint32_t key) {
    ARROW_RETURN_NOT_OK(Top().status());
    memo_[key] = stack_.back();
    return Status::OK();
  }

  template <typename T>
  Status Get() {
    T key = 0;
    ARROW_RETURN_NOT_OK(Number(&key));
    const auto found = memo_.find(key);
    if (found == memo_.end()) return Status::Invalid("it refers to an object that is not there");
    stack_.push_back(found->second);
    return Status::OK();
  }

  // Names ------------------------------------------------------------------------------------

  struct Known {
    std::string_view module;
    std::string_view name;
    Kind kind;
    ElementType type;
  };

  Status PushKnown(const std::string& module, const std::string& name) {
    static constexpr std::array<Known, 8> kKnown = {{
        {"collections", "OrderedDict", Kind::kMakeDict, ElementType::kOther},
        {"torch._utils", "_rebuild_tensor_v2", Kind::kMakeTensor, ElementType::kOther},
        {"torch._utils", "_rebuild_parameter", Kind::kMakeParameter, ElementType::kOther},
        {"torch", "HalfStorage", Kind::kStorageType, ElementType::kF16},
        {"torch", "BFloat16Storage", Kind::kStorageType, ElementType::kBf16},
        {"torch", "FloatStorage", Kind::kStorageType, ElementType::kF32},
        {"torch", "DoubleStorage", Kind::kStorageType, ElementType::kF64},
        {"torch", "LongStorage", Kind::kStorageType, ElementType::kOther},
    }};
    for (const Known& known : kKnown) {
      if (known.module == module && known.name == name) {
        return Push({.kind = known.kind, .type = known.type});
      }
    }
    return Status::Invalid("it asks for ", Quoted(ToUtf8(module + "." + name)),
                           ", but only tensors are read: save model.state_dict() instead");
  }

  Status PushGlobal() {
    std::string module, name;
    ARROW_RETURN_NOT_OK(Line(&module));
    ARROW_RETURN_NOT_OK(Line(&name));
    return PushKnown(module, name);
  }

  Status PushStackGlobal() {
    uint32_t name = 0, module = 0;
    ARROW_RETURN_NOT_OK(PopObject(&name));
    ARROW_RETURN_NOT_OK(PopObject(&module));
    return PushKnown(At(module).text, At(name).text);
  }

  // ("storage", type, key, device, elements[, view]): how torch.save refers to a storage.
  Status PushStorage() {
    uint32_t id = 0;
    ARROW_RETURN_NOT_OK(PopObject(&id));
    const Object& tuple = At(id);
    if (tuple.kind != Kind::kTuple || tuple.items.size() < 5 ||
        At(tuple.items[0]).text != "storage" || At(tuple.items[1]).kind != Kind::kStorageType ||
        At(tuple.items[2]).kind != Kind::kText) {
      return Status::Invalid("it refers to something that is no storage");
    }
    return Push(
        {.kind = Kind::kStorage, .type = At(tuple.items[1]).type, .text = At(tuple.items[2]).text});
  }

  // function(arguments), for the three functions known here.
  Status Reduce() {
    uint32_t arguments = 0, function = 0;
    ARROW_RETURN_NOT_OK(PopObject(&arguments));
    ARROW_RETURN_NOT_OK(PopObject(&function));
    const Object& tuple = At(arguments);
    if (tuple.kind != Kind::kTuple) return Status::Invalid("it calls with no arguments");
    switch (At(function).kind) {
      case Kind::kMakeDict:
        return MakeDict(tuple);
      case Kind::kMakeTensor:
        return MakeTensor(tuple);
      case Kind::kMakeParameter:
        if (tuple.items.empty() || At(tuple.items[0]).kind != Kind::kTensor) break;
        stack_.push_back(tuple.items[0]);
        return Status::OK();
      default:
        break;
    }
    return Status::Invalid("it calls something that makes no tensor");
  }

  // OrderedDict(), or as Python 2 pickles it OrderedDict([[key, value], ...]).
  Status MakeDict(const Object& arguments) {
    Object dict{.kind = Kind::kDict};
    if (!arguments.items.empty()) {
      for (const uint32_t pair : At(arguments.items[0]).items) {
        if (At(pair).items.size() != 2) return Status::Invalid("it makes a dict of no pairs");
        if (++pairs_ > kMaxObjects) return Status::Invalid("it holds too many objects");
        dict.items.push_back(At(pair).items[0]);
        dict.items.push_back(At(pair).items[1]);
      }
    }
    return Push(std::move(dict));
  }

  // _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
  Status MakeTensor(const Object& arguments) {
    const auto& items = arguments.items;
    if (items.size() < 4 || At(items[0]).kind != Kind::kStorage ||
        At(items[1]).kind != Kind::kInteger || At(items[2]).kind != Kind::kTuple ||
        At(items[3]).kind != Kind::kTuple) {
      return Status::Invalid("it makes a tensor of something else");
    }
    return Push({.kind = Kind::kTensor, .items = {items.begin(), items.begin() + 4}});
  }

  // Sets attributes; a state dict's `_metadata` is the only one that occurs, and means nothing
  // here.
  Status Build() {
    ARROW_RETURN_NOT_OK(Pop());
    ARROW_ASSIGN_OR_RAISE(const Object* object, Top());
    if (object->kind != Kind::kDict) return Status::Invalid("it sets attributes of no dict");
    return Status::OK();
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  std::vector<uint32_t> stack_;
  std::unordered_map<uint32_t, uint32_t> memo_;
  size_t pairs_ = 0;  // copied into dicts: the one instruction whose cost is not its own size
  Pickle pickle_;
};

Result<Pickle> Pickle::Load(std::span<const uint8_t> bytes) { return PickleMachine(bytes).Run(); }

Result<std::string> Pickle::Name(const Object& text, size_t already) const {
  if (already >= kMaxEntries) return Status::Invalid("it holds too many tensors");
  if (text.text.size() > kMaxNameSize) return Status::Invalid("a name in it is too long");
  return text.text;
}

Result<std::vector<int64_t>> Pickle::Integers(const Object& tuple) const {
  if (tuple.items.size() > kMaxRank) return Status::Invalid("has too many dimensions");
  std::vector<int64_t> out;
  for (size_t i = 0; i < tuple.items.size(); ++i) {
    if (Item(tuple, i).kind != Kind::kInteger) return Status::Invalid("has no integers as shape");
    out.push_back(Item(tuple, i).integer);
  }
  return out;
}

Result<TensorView> Pickle::View(const std::string& name, const Object& tensor) const {
  TensorView view;
  view.name = name;
  ARROW_ASSIGN_OR_RAISE(view.storage, Name(Item(tensor, 0), 0));
  view.type = Item(tensor, 0).type;
  view.offset = Item(tensor, 1).integer;
  ARROW_ASSIGN_OR_RAISE(view.shape, Integers(Item(tensor, 2)));
  ARROW_ASSIGN_OR_RAISE(view.strides, Integers(Item(tensor, 3)));
  if (view.shape.size() != view.strides.size()) return Status::Invalid("has shape without strides");
  return view;
}

Result<std::vector<TensorView>> Pickle::StateDict() const {
  const Object* dict = &objects_[root_];
  if (dict->kind != Kind::kDict) return Status::Invalid("it holds no state dict");
  for (size_t i = 0; i < dict->items.size(); i += 2) {
    if (Item(*dict, i).text == "state_dict" && Item(*dict, i + 1).kind == Kind::kDict) {
      dict = &Item(*dict, i + 1);
      break;
    }
  }
  std::vector<TensorView> views;
  for (size_t i = 0; i < dict->items.size(); i += 2) {
    if (Item(*dict, i + 1).kind != Kind::kTensor) continue;
    ARROW_ASSIGN_OR_RAISE(const std::string name, Name(Item(*dict, i), views.size()));
    Result<TensorView> view = View(name, Item(*dict, i + 1));
    if (!view.ok()) return WithContext(view.status(), "tensor " + Quoted(ToUtf8(name)));
    views.push_back(std::move(view).ValueUnsafe());
  }
  return views;
}

Result<std::vector<std::string>> Pickle::Texts() const {
  const Object& list = objects_[root_];
  if (list.kind != Kind::kList) return Status::Invalid("it holds no list of storages");
  std::vector<std::string> texts;
  for (size_t i = 0; i < list.items.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(std::string text, Name(Item(list, i), i));
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace pomona::model
