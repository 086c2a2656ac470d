#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "pomona/image/codecs.h"
#include "pomona/image/exif.h"

namespace pomona::image {
namespace {

// Chunks that cannot change the pixels given out: their content is not looked at, but their CRCs
// are.
constexpr png_byte kIgnoredChunks[] =
    "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0"
    "zTXt";

// One PNG being read. libpng reports by longjmp out of Guarded, whose callees therefore hold no
// object with a destructor.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &OnError, &OnError);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Runs step(png, info), which must be trivial C code; false if libpng gave up or warned.
  template <typename Step>
  bool Guarded(Step step) {
    if (info_ == nullptr) {
      std::snprintf(message_, sizeof(message_), "libpng has no memory");
      return false;
    }
    if (setjmp(jump_) != 0) return false;
    step(png_, info_);
    return true;
  }

  bool ReadHeader() {
    return Guarded([this](png_structp png, png_infop info) {
      png_set_read_fn(png, this, &OnRead);
      png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
      png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kIgnoredChunks,
                                  sizeof(kIgnoredChunks) / 5);
      png_read_info(png, info);
    });
  }

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }
  Rejection rejection() const {
    return Rejection{reason_, message_, static_cast<int64_t>(offset_)};
  }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<Reader*>(png_get_error_ptr(png));
    std::snprintf(self->message_, sizeof(self->message_), "%s", message);
    std::longjmp(self->jump_, 1);
  }

  static void OnRead(png_structp png, png_bytep to, size_t count) {
    auto* self = static_cast<Reader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->offset_) {
      self->offset_ = self->bytes_.size();
      self->reason_ = Reason::kTruncated;
      OnError(png, "the PNG data end early");
    }
    std::memcpy(to, self->bytes_.data() + self->offset_, count);
    self->offset_ += count;
  }

  std::span<const uint8_t> bytes_;
  size_t offset_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_ = {};
  Reason reason_ = Reason::kCorrupt;
  char message_[256] = {};
};

// Palette, grey, fewer than 8 bits and tRNS become 8-bit RGB or RGBA. 16 bits keep their upper 8,
// as OpenCV's imread does.
void AskForEightBitRgb(png_structp png, png_infop info) {
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

int Orientation(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep block = nullptr;
  if (png_get_eXIf_1(png, info, &size, &block) == 0) return 1;
  return ExifOrientation({block, size});
}

// Adam7 fills the image pass by pass, so all of it is kept; otherwise one row is enough.
bool ReadRows(Reader* reader, Image* image) {
  const bool alpha = png_get_channels(reader->png(), reader->info()) == 4;
  const bool interlaced =
      png_get_interlace_type(reader->png(), reader->info()) != PNG_INTERLACE_NONE;
  const size_t row_bytes = size_t{3} * static_cast<size_t>(image->width);
  const size_t stored_row_bytes = (alpha ? 4 : 3) * static_cast<size_t>(image->width);
  const auto height = static_cast<size_t>(image->height);
  std::vector<uint8_t> stored(stored_row_bytes * (interlaced ? height : 1));
  for (int pass = interlaced ? 1 : PNG_INTERLACE_ADAM7_PASSES; pass < PNG_INTERLACE_ADAM7_PASSES;
       ++pass) {
    for (size_t y = 0; y < height; ++y) {
      png_bytep row = stored.data() + y * stored_row_bytes;
      if (!reader->Guarded([row](png_structp p, png_infop) { png_read_row(p, row, nullptr); })) {
        return false;
      }
    }
  }
  // Rows are added as they come, so that a short file with a large header costs no memory.
  image->rgb.reserve(row_bytes * height);
  for (size_t y = 0; y < height; ++y) {
    png_bytep row = stored.data() + (interlaced ? y * stored_row_bytes : 0);
    if (!reader->Guarded([row](png_structp p, png_infop) { png_read_row(p, row, nullptr); })) {
      return false;
    }
    image->rgb.resize((y + 1) * row_bytes);
    uint8_t* to = image->rgb.data() + y * row_bytes;
    if (alpha) {
      LayOverWhite(row, image->width, to);
    } else {
      std::memcpy(to, row, row_bytes);
    }
  }
  return true;
}

}  // namespace

Outcome<Stored> DecodePng(std::span<const uint8_t> bytes, const DecodeLimits& limits) {
  Reader reader(bytes);
  if (!reader.ReadHeader()) return reader.rejection();
  const png_uint_32 width = png_get_image_width(reader.png(), reader.info());
  const png_uint_32 height = png_get_image_height(reader.png(), reader.info());
  if (auto rejection = CheckSize(width, height, limits)) return *rejection;
  if (!reader.Guarded(&AskForEightBitRgb)) return reader.rejection();
  Stored stored;
  stored.image.width = static_cast<int>(width);
  stored.image.height = static_cast<int>(height);
  if (!ReadRows(&reader, &stored.image) ||
      !reader.Guarded([](png_structp png, png_infop info) { png_read_end(png, info); })) {
    return reader.rejection();
  }
  stored.orientation = Orientation(reader.png(), reader.info());
  return stored;
}

}  // namespace pomona::image
