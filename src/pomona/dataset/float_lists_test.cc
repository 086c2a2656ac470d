#include "pomona/dataset/float_lists.h"

#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

namespace pomona::dataset {
namespace {

using ::testing::HasSubstr;

template <typename Builder>
std::shared_ptr<arrow::Array> Build(const std::shared_ptr<arrow::DataType>& type, int rows,
                                    int size, int missing, int odd) {
  const auto numbers = std::make_shared<arrow::FloatBuilder>();
  Builder lists(arrow::default_memory_pool(), numbers, type);
  for (int i = 0; i < rows; ++i) {
    EXPECT_TRUE((i == missing ? lists.AppendNull() : lists.Append()).ok());
    if (i == missing) continue;
    for (int j = 0; j < size - (i == odd ? 1 : 0); ++j) {
      EXPECT_TRUE(numbers->Append(static_cast<float>(i * size + j)).ok());
    }
  }
  return lists.Finish().ValueOrDie();
}

// `rows` lists of `size` different numbers; list `missing` is null, and list `odd` one number
// shorter.
std::shared_ptr<arrow::Array> Lists(const std::shared_ptr<arrow::DataType>& type, int rows,
                                    int size, int missing = -1, int odd = -1) {
  return type->id() == arrow::Type::LIST
             ? Build<arrow::ListBuilder>(type, rows, size, missing, odd)
             : Build<arrow::FixedSizeListBuilder>(type, rows, size, missing, odd);
}

// Pages of about `page` bytes and groups of `group` rows.
std::unique_ptr<parquet::ParquetFileReader> File(const std::shared_ptr<arrow::Array>& lists,
                                                 int64_t page = 1 << 20, int64_t group = 1 << 20) {
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("other", lists->type()), arrow::field("f", lists->type())}),
      {lists, lists});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto options = parquet::WriterProperties::Builder()
                           .data_pagesize(page)
                           ->disable_dictionary()
                           ->write_batch_size(3)
                           ->build();
  EXPECT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, group, options).ok());
  const auto file = std::make_shared<arrow::io::BufferReader>(sink->Finish().ValueOrDie());
  return parquet::ParquetFileReader::Open(file);
}

std::shared_ptr<arrow::DataType> Fixed(int size) {
  return arrow::fixed_size_list(arrow::float32(), size);
}

std::string ErrorOf(const std::shared_ptr<arrow::Array>& lists, int size) {
  return ReadFloatLists(File(lists).get(), "f", size).status().message();
}

TEST(ReadFloatLists, GivesEveryNumberOverPagesAndGroups) {
  for (const int size : {1, 5, 70'000}) {
    const int rows = size > 5 ? 4 : 100;
    const auto lists = Lists(Fixed(size), rows, size);
    for (const int64_t page : {100, 1 << 20}) {
      for (const int64_t group : {1, 7, 1 << 20}) {
        const auto numbers = ReadFloatLists(File(lists, page, group).get(), "f", size);
        ASSERT_TRUE(numbers.ok()) << numbers.status().ToString();
        ASSERT_EQ(numbers->size(), static_cast<size_t>(rows) * size);
        for (size_t i = 0; i < numbers->size(); ++i) {
          ASSERT_EQ((*numbers)[i], static_cast<float>(i));
        }
      }
    }
  }
}

TEST(ReadFloatLists, NoRowsAreNoNumbers) {
  EXPECT_TRUE(ReadFloatLists(File(Lists(Fixed(3), 0, 3)).get(), "f", 3)->empty());
}

TEST(ReadFloatLists, RefusesListsOfAnotherSize) {
  const auto variable = arrow::list(arrow::float32());
  EXPECT_TRUE(ReadFloatLists(File(Lists(variable, 9, 4)).get(), "f", 4).ok());
  for (const int odd : {0, 4, 8}) {
    EXPECT_THAT(ErrorOf(Lists(variable, 9, 4, -1, odd), 4), HasSubstr("'f' does not hold a list"));
  }
  EXPECT_THAT(ErrorOf(Lists(variable, 2, 0), 4), HasSubstr("list of 4"));
  for (const int size : {2, 3, 8, 36}) {  // 36 = 9 x 4: as many numbers as are there
    EXPECT_THAT(ErrorOf(Lists(Fixed(4), 9, 4), size), HasSubstr("does not hold a list"));
  }
}

TEST(ReadFloatLists, RefusesNulls) {
  for (const int missing : {0, 4, 8}) {
    const auto lists = Lists(arrow::list(arrow::float32()), 9, 4, missing);
    EXPECT_THAT(ErrorOf(lists, 4), HasSubstr("does not hold a list"));
  }
  arrow::FloatBuilder numbers;
  EXPECT_TRUE(numbers.AppendValues({1, 2, 3}).ok());
  EXPECT_TRUE(numbers.AppendNull().ok());
  const auto lists = arrow::FixedSizeListArray::FromArrays(numbers.Finish().ValueOrDie(), 2);
  EXPECT_THAT(ErrorOf(*lists, 2), HasSubstr("does not hold a list"));
}

TEST(ReadFloatLists, RefusesOtherColumns) {
  const auto file = File(Lists(Fixed(2), 3, 2));
  EXPECT_THAT(ReadFloatLists(file.get(), "g", 2).status().message(), HasSubstr("no column 'g'"));
  EXPECT_THAT(ReadFloatLists(file.get(), "f", 0).status().message(), HasSubstr("holds no lists"));
  const auto flat = arrow::MakeArrayFromScalar(arrow::FloatScalar(1), 3).ValueOrDie();
  EXPECT_THAT(ErrorOf(flat, 1), HasSubstr("holds no lists"));
  const auto ints = arrow::MakeEmptyArray(arrow::list(arrow::int32())).ValueOrDie();
  EXPECT_THAT(ErrorOf(ints, 1), HasSubstr("holds no lists"));
  const auto two =
      arrow::struct_({arrow::field("a", arrow::float32()), arrow::field("b", arrow::float32())});
  EXPECT_THAT(ErrorOf(arrow::MakeEmptyArray(two).ValueOrDie(), 1), HasSubstr("more than one"));
}

}  // namespace
}  // namespace pomona::dataset
