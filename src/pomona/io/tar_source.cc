#include "pomona/io/tar_source.h"

#include <locale.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include "pomona/base/text.h"
#include "pomona/io/file.h"
#include "pomona/io/listing.h"

namespace pomona::io {
namespace {

constexpr int64_t kBlock = 512;  // what members are padded to

// libarchive changes names to the thread's locale, and normalises accents on the way. In the "C"
// locale they come out as the bytes that the tar holds.
class CLocale {
 public:
  CLocale() : c_(newlocale(LC_ALL_MASK, "C", locale_t{})), before_(uselocale(c_)) {}
  CLocale(const CLocale&) = delete;
  CLocale& operator=(const CLocale&) = delete;
  ~CLocale() {
    uselocale(before_);
    if (c_ != locale_t{}) freelocale(c_);
  }

 private:
  locale_t c_;
  locale_t before_;
};

// libarchive's view of an open file, with a position of its own.
class TarReader {
 public:
  TarReader(const RangeFile& file, FileId id, std::stop_token stop)
      : file_(file), id_(std::move(id)), stop_(std::move(stop)), archive_(archive_read_new()) {
    archive_read_support_format_tar(archive_);
    archive_read_set_option(archive_, "tar", "read_concatenated_archives", "1");
    archive_read_set_callback_data(archive_, this);
    archive_read_set_read_callback(archive_, &TarReader::Fill);
    archive_read_set_skip_callback(archive_, &TarReader::Skip);
  }
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader() { archive_read_free(archive_); }

  // ARCHIVE_OK, ARCHIVE_EOF, ARCHIVE_RETRY (a damaged header, passed over) or ARCHIVE_FATAL.
  int Next(archive_entry** entry) {
    if (!open_) {
      const int opened = archive_read_open1(archive_);
      if (opened != ARCHIVE_OK) return opened;
      open_ = true;
    }
    const int code = archive_read_next_header(archive_, entry);
    return code == ARCHIVE_WARN ? ARCHIVE_OK : code;  // a name that is not the locale's
  }

  // Where the data of the member that Next gave begin.
  int64_t data_offset() const { return archive_filter_bytes(archive_, 0); }
  std::string error() const {
    const char* text = archive_error_string(archive_);
    return text == nullptr ? "unknown error" : text;
  }
  // Why the file as a whole could not be read, which tells nothing about the tar.
  const Status& failure() const { return failure_; }
  // Lets compressed files be recognised (but not listed).
  void DetectCompression() {
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_bzip2(archive_);
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_lzma(archive_);
    archive_read_support_filter_zstd(archive_);
    archive_read_support_filter_lz4(archive_);
    archive_read_support_filter_compress(archive_);
  }
  // "gzip", or "" without compression.
  std::string compression() const {
    if (archive_filter_code(archive_, 0) <= ARCHIVE_FILTER_NONE) return "";  // -1: not opened
    return archive_filter_name(archive_, 0);
  }

 private:
  static la_ssize_t Fill(archive* a, void* self_pointer, const void** buffer) {
    auto* self = static_cast<TarReader*>(self_pointer);
    const Status read = self->ReadBlock();
    if (!read.ok()) {
      archive_set_error(a, EIO, "%s", read.message().c_str());
      return ARCHIVE_FATAL;
    }
    const int64_t from = self->position_ - self->block_begin_;
    const int64_t n = static_cast<int64_t>(self->block_.size()) - from;
    self->position_ += n;
    *buffer = self->block_.data() + from;
    return n;
  }

  // Sees to it that the block holds what lies at the position. Blocks in a bucket are large: most
  // members lie in one with their neighbours, and a request takes longer than reading past them.
  Status ReadBlock() {
    const int64_t end = block_begin_ + static_cast<int64_t>(block_.size());
    if (position_ >= block_begin_ && position_ < end) return Status::OK();
    const int64_t n = std::min(file_.block_bytes(), id_.size - position_);
    auto bytes = file_.Read(id_, position_, n, stop_);
    if (!bytes.ok()) return failure_ = bytes.status();
    if (!bytes->ok()) return Status::IOError(bytes->rejection().detail);
    block_ = std::move(*bytes).value();
    block_begin_ = position_;
    return Status::OK();
  }

  static la_int64_t Skip(archive*, void* self_pointer, la_int64_t asked) {
    auto* self = static_cast<TarReader*>(self_pointer);
    const int64_t n = std::min<int64_t>(asked, self->id_.size - self->position_);
    if (n <= 0) return 0;
    self->position_ += n;
    return n;
  }

  const RangeFile& file_;
  const FileId id_;
  const std::stop_token stop_;
  int64_t position_ = 0;
  bool open_ = false;
  archive* archive_;
  std::vector<uint8_t> block_;
  int64_t block_begin_ = 0;
  Status failure_;
};

// Entry::locator: where the data are, in which state of the tar.
struct Place {
  int64_t offset = 0;
  FileId tar;

  std::string ToString() const {
    return std::to_string(offset) + " " + std::to_string(tar.size) + " " + tar.version;
  }

  static std::optional<Place> Parse(const std::string& locator) {
    Place place;
    int version_at = 0;
    const int n =
        std::sscanf(locator.c_str(), "%ld %ld %n", &place.offset, &place.tar.size, &version_at);
    if (n != 2) return std::nullopt;
    place.tar.version = locator.substr(static_cast<size_t>(version_at));
    return place;
  }
};

// "./a/b.jpg" is a/b.jpg.
std::string_view WithoutDotSlash(std::string_view name) {
  while (name.starts_with("./")) {
    name.remove_prefix(2);
    while (name.starts_with("/")) name.remove_prefix(1);
  }
  return name;
}

// One pass over a tar.
class Scan {
 public:
  Scan(const RangeFile& file, const FileId& id, bool labels, const Observer& observer,
       std::stop_token stop, ListingBuilder* out)
      : tar_(file.uri()),
        id_(id),
        labels_(labels),
        observer_(observer),
        out_(out),
        reader_(file, id, std::move(stop)) {}

  Status Run() {
    const CLocale locale;
    archive_entry* member = nullptr;
    for (;;) {
      const int code = reader_.Next(&member);
      if (code == ARCHIVE_EOF) break;
      if (code == ARCHIVE_RETRY) {
        WarnOnce("is damaged after " + WithThousands(end_) + " bytes");
      } else if (code != ARCHIVE_OK) {
        ARROW_RETURN_NOT_OK(reader_.failure());
        WarnOnce("cannot be read beyond byte " + WithThousands(end_) + " (" + reader_.error() +
                 ")");
        break;
      } else {
        ARROW_RETURN_NOT_OK(AddMember(member));
      }
    }
    if (end_ >= id_.size) WarnOnce("is cut off: its end marker is missing");
    ResolveHardLinks();
    return Status::OK();
  }

 private:
  Status AddMember(archive_entry* member) {
    const char* raw = archive_entry_pathname(member);
    const std::string name(WithoutDotSlash(raw == nullptr ? "" : raw));
    const int64_t offset = reader_.data_offset();
    const int64_t size = std::max<int64_t>(archive_entry_size(member), 0);
    const bool cut = size > id_.size - offset;
    end_ = cut ? id_.size : offset + (size + kBlock - 1) / kBlock * kBlock;
    if (archive_entry_filetype(member) == AE_IFDIR) return Status::OK();
    const std::string file_name(BaseName(name));
    if (AnyHidden(name)) return out_->Ignore(IsHidden(file_name) ? file_name : "." + file_name);
    if (!HasImageName(file_name)) return out_->Ignore(file_name);
    return out_->Add(MakeEntry(name, member, offset, cut));
  }

  Entry MakeEntry(const std::string& name, archive_entry* member, int64_t offset, bool cut) {
    Entry entry;
    entry.path = ToUtf8(name);
    entry.locator = Place{offset, id_}.ToString();
    if (labels_) entry.label = ParentName(name, Stem());
    entry.version = MemberVersion(member);
    const char* target = archive_entry_hardlink(member);
    if (target != nullptr) {
      links_.emplace_back(out_->entries().size(), ToUtf8(WithoutDotSlash(target)));
      return entry;
    }
    entry.size = std::max<int64_t>(archive_entry_size(member), 0);
    entry.rejected = WhyNot(member, offset, cut);
    return entry;
  }

  std::optional<Rejection> WhyNot(archive_entry* member, int64_t offset, bool cut) const {
    const auto type = archive_entry_filetype(member);
    if (type == AE_IFLNK) {
      return Rejection{Reason::kUnsupportedFormat,
                       "a symbolic link in a tar: make the tar with --dereference", std::nullopt};
    }
    if (type != AE_IFREG) {
      return Rejection{Reason::kNotAFile, "a pipe or a device, not a file", std::nullopt};
    }
    if (archive_entry_sparse_count(member) > 0) {
      return Rejection{Reason::kUnsupportedFormat,
                       "stored with holes: make the tar without --sparse", std::nullopt};
    }
    if (cut) {
      return Rejection{Reason::kTruncated, "the tar ends inside this file",
                       id_.size - std::min<int64_t>(offset, id_.size)};
    }
    return std::nullopt;
  }

  std::string MemberVersion(archive_entry* member) const {
    struct stat info = {};
    info.st_mtim.tv_sec = archive_entry_mtime(member);
    info.st_mtim.tv_nsec = archive_entry_mtime_nsec(member);
    const bool unset = info.st_mtim.tv_sec == 0 && info.st_mtim.tv_nsec == 0;
    return unset ? id_.version : VersionOf(info);
  }

  // A hard link names a member before it, which holds the data of both.
  void ResolveHardLinks() {
    if (links_.empty()) return;
    std::vector<Entry>& entries = out_->entries();
    std::unordered_map<std::string, size_t> last;
    size_t next = 0;
    for (const auto& [index, target] : links_) {
      for (; next < index; ++next) last[entries[next].path] = next;
      const auto found = last.find(target);
      if (found == last.end()) {
        entries[index].rejected = Rejection{
            Reason::kMissing, "a hard link to what the tar does not hold before it", std::nullopt};
        continue;
      }
      const Entry& data = entries[found->second];
      entries[index].locator = data.locator;
      entries[index].size = data.size;
      entries[index].version = data.version;
      entries[index].rejected = data.rejected;
    }
  }

  void WarnOnce(const std::string& what) {
    if (std::exchange(warned_, true)) return;
    observer_.Warn(Quoted(tar_) + " " + what +
                   ": images may be missing from this run; copy or make the tar again");
  }

  std::string Stem() const {
    std::string stem(BaseName(tar_));
    return ToUtf8(stem.substr(0, stem.rfind('.')));
  }

  const std::string& tar_;
  const FileId& id_;
  const bool labels_;
  const Observer& observer_;
  ListingBuilder* out_;
  TarReader reader_;
  std::vector<std::pair<size_t, std::string>> links_;  // index of the entry, path of its target
  int64_t end_ = 0;                                    // of the last member, padding included
  bool warned_ = false;
};

// UsageError unless the file begins as an uncompressed tar does.
Status CheckFormat(const RangeFile& file) {
  ARROW_ASSIGN_OR_RAISE(const FileId id, file.Identify());
  const std::string name = Quoted(file.uri());
  if (id.size == 0) return NothingToRead("no image in " + name + ": the file is empty");
  TarReader reader(file, id, {});
  reader.DetectCompression();
  const CLocale locale;
  archive_entry* member = nullptr;
  const int code = reader.Next(&member);
  ARROW_RETURN_NOT_OK(reader.failure());
  if (!reader.compression().empty()) {
    return UsageError(name + " is compressed with " + reader.compression() +
                      ": unpack it, or recompress it as a plain .tar (images hardly shrink)");
  }
  if (code == ARCHIVE_FATAL) return UsageError(name + " is not a tar file: " + reader.error());
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<Source>> TarSource::Open(std::shared_ptr<const RangeFile> file,
                                                const SourceOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const bool labels, LabelsAreFolders(options, file->uri()));
  ARROW_RETURN_NOT_OK(CheckFormat(*file));
  return std::unique_ptr<Source>(new TarSource(std::move(file), labels));
}

Result<Listing> TarSource::List(const Observer& observer, std::stop_token stop) const {
  ARROW_ASSIGN_OR_RAISE(const FileId id, file_->Identify());
  ListingBuilder builder(observer, stop);
  ARROW_RETURN_NOT_OK(Scan(*file_, id, labels_, observer, stop, &builder).Run());
  return builder.Finish(uri(), Duplicates::kLastWins);
}

Result<Outcome<std::vector<uint8_t>>> TarSource::Read(const Entry& entry, int64_t max_bytes,
                                                      std::stop_token stop) const {
  using Bytes = Outcome<std::vector<uint8_t>>;
  if (entry.rejected) return Bytes(*entry.rejected);
  const std::optional<Place> place = Place::Parse(entry.locator);
  if (!place) return Bytes(Rejection{Reason::kChanged, "it was not listed in a tar", {}});
  if (entry.size > max_bytes) return Bytes(TooLarge(entry.size, max_bytes));
  return file_->Read(place->tar, place->offset, entry.size, std::move(stop));
}

}  // namespace pomona::io
