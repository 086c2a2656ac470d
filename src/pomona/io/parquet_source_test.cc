#include "pomona/io/parquet_source.h"

#include <fstream>
#include <string>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>

#include "pomona/io/source.h"
#include "pomona/testing/hostile_parquet.h"
#include "pomona/testing/temp_folder.h"

namespace pomona::io {
namespace {

// One image.
std::string Encode() {
  arrow::BinaryBuilder text;
  arrow::Int64Builder number;
  EXPECT_TRUE(text.Append("a.jpg").ok() && number.Append(5).ok());
  const auto cell = text.Finish().ValueOrDie();
  const auto schema =
      arrow::schema({arrow::field("path", arrow::binary()), arrow::field("length", arrow::int64()),
                     arrow::field("content", arrow::binary())});
  const auto table = arrow::Table::Make(schema, {cell, number.Finish().ValueOrDie(), cell});
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto properties =
      parquet::WriterProperties::Builder().compression(parquet::Compression::ZSTD)->build();
  EXPECT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1, properties).ok());
  return sink->Finish().ValueOrDie()->ToString();
}

// With the first page of a column, which claims far too much.
std::string EncodeHostile(int column) {
  const std::string file = Encode();
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file)));
  const auto chunk = reader->metadata()->RowGroup(0)->ColumnChunk(column);
  return testing::WithHugePage(file, static_cast<size_t>(chunk->dictionary_page_offset()));
}

class ParquetSourceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> Open(const std::string& file) const {
    const std::string path = folder_.path() + "/images.parquet";
    std::ofstream(path, std::ios::binary) << file;
    return OpenSource(path, {}).ValueOrDie();
  }

  const testing::TempFolder folder_;
};

constexpr char kRefused[] = "claim more bytes than a file of this size can hold";

TEST_F(ParquetSourceTest, AListingThatClaimsTooMuchIsAnError) {
  const Status listed = Open(EncodeHostile(0))->List({}, {}).status();
  EXPECT_NE(listed.message().find(kRefused), std::string::npos) << listed;
  EXPECT_LT(arrow::default_memory_pool()->max_memory(), int64_t{1} << 30);
}

TEST_F(ParquetSourceTest, ImagesThatClaimTooMuchAreRejected) {
  const auto source = Open(EncodeHostile(2));
  const Listing listing = source->List({}, {}).ValueOrDie();
  const auto image = source->Read(listing.entries.at(0), 1 << 20, {}).ValueOrDie();
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.rejection().reason, Reason::kUnreadable);
  EXPECT_NE(image.rejection().detail.find(kRefused), std::string::npos);
  EXPECT_LT(arrow::default_memory_pool()->max_memory(), int64_t{1} << 30);
}

}  // namespace
}  // namespace pomona::io
