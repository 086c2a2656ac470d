#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>
// libjpeg's header uses FILE and size_t without including them.
#include <jerror.h>
#include <jpeglib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pomona/image/codecs.h"
#include "pomona/image/exif.h"

namespace pomona::image {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kMaxMarkerBytes = 0xffff;

// One decompression. libjpeg reports by longjmp out of Guarded, whose callees therefore hold no
// object with a destructor.
class Decompressor {
 public:
  Decompressor(std::span<const uint8_t> bytes, const DecodeLimits& limits, JpegPolicy policy)
      : size_(bytes.size()), max_scans_(limits.max_scans), policy_(policy) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = &OnError;
    errors_.emit_message = &OnMessage;
    info_.client_data = this;
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = &OnEndOfBytes;
    source_.skip_input_data = &Skip;
    source_.resync_to_restart = &jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    source_.next_input_byte = bytes.data();
    source_.bytes_in_buffer = bytes.size();
    progress_.progress_monitor = &OnProgress;
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() {
    if (created_) jpeg_destroy_decompress(&info_);
  }

  // Runs step(info), which must be trivial C code; false if libjpeg gave up or warned.
  template <typename Step>
  bool Guarded(Step step) {
    if (setjmp(jump_) != 0) return false;
    step(&info_);
    return true;
  }

  bool Create() {
    return Guarded([this](j_decompress_ptr info) {
      jpeg_create_decompress(info);
      created_ = true;
      info->client_data = this;
      info->src = &source_;
      info->progress = &progress_;
      jpeg_save_markers(info, kExifMarker, kMaxMarkerBytes);
    });
  }

  bool ReadHeader() {
    return header_read_ = Guarded([](j_decompress_ptr info) { jpeg_read_header(info, TRUE); });
  }

  j_decompress_ptr info() { return &info_; }

  // Of data that were decoded all the same; empty if they were sound.
  const char* damage() const { return damage_; }

  Rejection rejection() const {
    const auto offset = static_cast<int64_t>(size_ - source_.bytes_in_buffer);
    return Rejection{reason_, message_,
                     reason_ == Reason::kTooLarge ? std::nullopt : std::optional(offset)};
  }

 private:
  // Goes on after the damage that message_ tells of, or gives up as the policy wants. In a file of
  // several scans the rows come out after the last of them; the first has every row already.
  void Bear(Reason reason) {
    const bool half_is_sound =
        info_.input_scan_number > 1 || 2 * info_.output_scanline >= info_.image_height;
    if (policy_ == JpegPolicy::kStrict || !header_read_) GiveUp(reason);
    if (damage_[0] != 0) return;
    if (policy_ == JpegPolicy::kWarn && !half_is_sound) GiveUp(reason);
    std::memcpy(damage_, message_, sizeof(damage_));
  }

  static Decompressor* Self(j_common_ptr info) {
    return static_cast<Decompressor*>(info->client_data);
  }

  [[noreturn]] void GiveUp(Reason reason) {
    reason_ = reason;
    std::longjmp(jump_, 1);
  }

  static void OnError(j_common_ptr info) {
    Decompressor* self = Self(info);
    info->err->format_message(info, self->message_);
    const int code = info->err->msg_code;
    switch (code) {
      case JERR_INPUT_EOF:
      case JERR_INPUT_EMPTY:
        self->GiveUp(Reason::kTruncated);
      case JERR_IMAGE_TOO_BIG:
        self->GiveUp(Reason::kTooLarge);
      case JERR_ARITH_NOTIMPL:
      case JERR_BAD_PRECISION:
      case JERR_SOF_UNSUPPORTED:
      case JERR_CONVERSION_NOTIMPL:
      case JERR_NOTIMPL:
      case JERR_NOT_COMPILED:
        self->GiveUp(Reason::kUnsupportedFormat);
      default:
        self->GiveUp(Reason::kCorrupt);
    }
  }

  static void OnMessage(j_common_ptr info, int level) {
    if (level >= 0) return;
    Decompressor* self = Self(info);
    info->err->format_message(info, self->message_);
    self->Bear(Reason::kCorrupt);
  }

  static boolean OnEndOfBytes(j_decompress_ptr info) {
    Decompressor* self = Self(reinterpret_cast<j_common_ptr>(info));
    info->src->bytes_in_buffer = 0;  // the entropy decoder may have read on from a copy of it
    std::snprintf(self->message_, sizeof(self->message_), "the JPEG data end early");
    self->Bear(Reason::kTruncated);
    static const JOCTET kEnd[] = {0xff, JPEG_EOI};
    info->src->next_input_byte = kEnd;
    info->src->bytes_in_buffer = sizeof(kEnd);
    return TRUE;
  }

  static void Skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if (static_cast<size_t>(count) > info->src->bytes_in_buffer) {
      OnEndOfBytes(info);
      return;
    }
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= static_cast<size_t>(count);
  }

  static void OnProgress(j_common_ptr info) {
    Decompressor* self = Self(info);
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= self->max_scans_) return;
    std::snprintf(self->message_, sizeof(self->message_), "more than %d progressive scans",
                  self->max_scans_);
    self->GiveUp(Reason::kTooLarge);
  }

  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_source_mgr source_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_ = {};
  bool created_ = false;
  size_t size_;
  int max_scans_;
  JpegPolicy policy_;
  bool header_read_ = false;
  char damage_[JMSG_LENGTH_MAX] = {};
  Reason reason_ = Reason::kCorrupt;
  char message_[JMSG_LENGTH_MAX] = {};
};

int Orientation(const jpeg_decompress_struct& info) {
  for (jpeg_saved_marker_ptr m = info.marker_list; m != nullptr; m = m->next) {
    const std::span<const uint8_t> block(m->data, m->data_length);
    if (m->marker == kExifMarker && block.size() > 6 && block[0] == 'E') {
      return ExifOrientation(block);
    }
  }
  return 1;
}

// CMYK as Adobe's programs write it, which is inverted (255 is no ink), to RGB.
void InvertedCmykToRgb(const uint8_t* cmyk, int count, uint8_t* rgb) {
  for (int i = 0; i < count; ++i, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>((cmyk[c] * cmyk[3] + 127) / 255);
    }
  }
}

bool IsFourInks(const jpeg_decompress_struct& info) {
  return info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
}

}  // namespace

Outcome<Stored> DecodeJpeg(std::span<const uint8_t> bytes, const DecodeLimits& limits,
                           JpegPolicy policy) {
  const auto jpeg = std::make_unique<Decompressor>(bytes, limits, policy);
  j_decompress_ptr info = jpeg->info();
  if (!jpeg->Create() || !jpeg->ReadHeader()) return jpeg->rejection();
  if (auto rejection = CheckSize(info->image_width, info->image_height, limits)) return *rejection;
  const bool four_inks = IsFourInks(*info);
  Stored stored;
  stored.orientation = Orientation(*info);
  info->out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
  info->dct_method = JDCT_ISLOW;
  if (!jpeg->Guarded([](j_decompress_ptr i) { jpeg_start_decompress(i); })) {
    return jpeg->rejection();
  }
  Image& image = stored.image;
  image.width = static_cast<int>(info->output_width);
  image.height = static_cast<int>(info->output_height);
  const size_t row_bytes = size_t{3} * info->output_width;
  // Rows are added as they come, so that a short file with a large header costs no memory.
  image.rgb.reserve(row_bytes * info->output_height);
  std::vector<uint8_t> inks(four_inks ? size_t{4} * info->output_width : 0);
  while (info->output_scanline < info->output_height) {
    const size_t start = image.rgb.size();
    image.rgb.resize(start + row_bytes);
    JSAMPROW row = four_inks ? inks.data() : image.rgb.data() + start;
    if (!jpeg->Guarded([&row](j_decompress_ptr i) { jpeg_read_scanlines(i, &row, 1); })) {
      return jpeg->rejection();
    }
    if (four_inks) InvertedCmykToRgb(inks.data(), image.width, image.rgb.data() + start);
  }
  if (!jpeg->Guarded([](j_decompress_ptr i) { jpeg_finish_decompress(i); })) {
    return jpeg->rejection();
  }
  image.damage = jpeg->damage();
  return stored;
}

}  // namespace pomona::image
