#include "pomona/base/rejection.h"

#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace pomona {
namespace {

constexpr Reason kAll[] = {Reason::kMissing,        Reason::kUnreadable,        Reason::kNotAFile,
                           Reason::kChanged,        Reason::kDuplicate,         Reason::kEmpty,
                           Reason::kNotAnImage,     Reason::kUnsupportedFormat, Reason::kTruncated,
                           Reason::kCorrupt,        Reason::kTooLarge,          Reason::kNoMemory,
                           Reason::kDecoderCrashed, Reason::kNonFinite};

// Not compiled with a reason missing (-Wswitch is an error), so that kAll cannot fall behind.
int Number(Reason reason) {
  switch (reason) {
    case Reason::kMissing:
    case Reason::kUnreadable:
    case Reason::kNotAFile:
    case Reason::kChanged:
    case Reason::kDuplicate:
    case Reason::kEmpty:
    case Reason::kNotAnImage:
    case Reason::kUnsupportedFormat:
    case Reason::kTruncated:
    case Reason::kCorrupt:
    case Reason::kTooLarge:
    case Reason::kNoMemory:
    case Reason::kDecoderCrashed:
    case Reason::kNonFinite:
      return static_cast<int>(reason);
  }
  return -1;
}

TEST(RejectionTest, NamesAreDistinctAndParseBack) {
  std::set<std::string_view> names;
  for (const Reason reason : kAll) {
    const std::string_view name = ReasonName(reason);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    ASSERT_EQ(ParseReason(name).ValueOrDie(), reason);
    EXPECT_EQ(Number(reason), static_cast<int>(names.size()) - 1) << "kAll misses a reason";
  }
  EXPECT_EQ(ReasonName(Reason::kNotAnImage), "not_an_image");  // as in rejected.parquet
}

TEST(RejectionTest, UnknownNamesAreErrors) {
  for (const char* name : {"", "unknown", "Missing", "missing "}) {
    const auto reason = ParseReason(name);
    ASSERT_FALSE(reason.ok()) << name;
    EXPECT_NE(reason.status().message().find("'" + std::string(name) + "'"), std::string::npos);
  }
}

TEST(RejectionTest, OnlyWhatTheVersionDoesNotTellIsTriedAgain) {
  const std::set<Reason> transient = {Reason::kMissing, Reason::kUnreadable, Reason::kChanged,
                                      Reason::kNoMemory};
  for (const Reason reason : kAll) {
    EXPECT_EQ(IsTransient(reason), transient.contains(reason)) << ReasonName(reason);
  }
}

TEST(OutcomeTest, HoldsEitherAndMovesOut) {
  Outcome<std::unique_ptr<int>> good(std::make_unique<int>(7));
  ASSERT_TRUE(good.ok());
  const std::unique_ptr<int> moved = std::move(good).value();
  EXPECT_EQ(*moved, 7);
  const Outcome<int> bad(Rejection{Reason::kEmpty, "zero bytes", 0});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.rejection(), (Rejection{Reason::kEmpty, "zero bytes", 0}));
  EXPECT_NE(bad.rejection(), (Rejection{Reason::kEmpty, "zero bytes", std::nullopt}));
}

}  // namespace
}  // namespace pomona
