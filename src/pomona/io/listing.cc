#include "pomona/io/listing.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "pomona/base/text.h"

namespace pomona::io {
namespace {

constexpr int64_t kReportEvery = 1024;
constexpr size_t kKindsShown = 6;

std::string LowerExtension(std::string_view file_name) {
  const size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == file_name.size()) return "";
  std::string extension(file_name.substr(dot));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

void MarkDuplicates(std::vector<Entry>& entries, Duplicates rule) {
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].path != entries[i - 1].path) continue;
    Entry& loser = entries[rule == Duplicates::kFirstWins ? i : i - 1];
    loser.rejected =
        Rejection{Reason::kDuplicate,
                  rule == Duplicates::kFirstWins ? "an earlier file of the source has the same path"
                                                 : "a later file of the source has the same path",
                  std::nullopt};
  }
}

}  // namespace

bool HasImageName(const std::string& file_name) {
  static const std::vector<std::string> kExtensions = {
      ".jpg", ".jpeg", ".jpe", ".jfif", ".png",  ".webp",  // decoded
      ".gif", ".bmp",  ".dib", ".tif",  ".tiff", ".heic", ".heif", ".avif", ".jp2",
      ".j2k", ".jpx",  ".jxl", ".ico",  ".pbm",  ".pgm",  ".ppm",  ".pnm"};
  if (IsHidden(file_name)) return false;
  const std::string extension = LowerExtension(file_name);
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

Status ListingBuilder::Add(Entry entry) {
  listing_.entries.push_back(std::move(entry));
  return Count();
}

Status ListingBuilder::Ignore(std::string_view file_name) {
  ++listing_.ignored;
  const std::string extension = LowerExtension(file_name);
  const std::string kind = extension.empty() ? "no extension" : ToUtf8(extension);
  ++ignored_by_kind_[IsHidden(file_name) ? "hidden" : kind];
  return Count();
}

Status ListingBuilder::Count() {
  if (++seen_ % kReportEvery != 0) return Status::OK();
  if (stop_.stop_requested()) return Interrupted("stopped while listing");
  observer_.Report({.stage = "listing", .done = seen_});
  return Status::OK();
}

std::string ListingBuilder::DescribeIgnored() const {
  std::vector<std::pair<std::string, int64_t>> kinds(ignored_by_kind_.begin(),
                                                     ignored_by_kind_.end());
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (size_t i = 0; i < kinds.size() && i < kKindsShown; ++i) {
    out += (i == 0 ? "" : ", ") + WithThousands(kinds[i].second) + " " + kinds[i].first;
  }
  return kinds.size() > kKindsShown ? out + ", ..." : out;
}

Result<Listing> ListingBuilder::Finish(const std::string& source, Duplicates rule) {
  if (stop_.stop_requested()) return Interrupted("stopped while listing");
  if (listing_.entries.empty()) {
    const std::string seen = seen_ == 0
                                 ? "it holds no file"
                                 : Counted(seen_, "file") + " seen (" + DescribeIgnored() + ")";
    return NothingToRead("no image in " + Quoted(source) + ": " + seen +
                         "; names of images end in .jpg, .jpeg, .png or .webp");
  }
  std::stable_sort(listing_.entries.begin(), listing_.entries.end(),
                   [](const Entry& a, const Entry& b) { return a.path < b.path; });
  MarkDuplicates(listing_.entries, rule);
  observer_.Report({.stage = "listing", .done = seen_, .total = seen_});
  return std::move(listing_);
}

Result<bool> LabelsAreFolders(const SourceOptions& options, const std::string& source) {
  if (options.label.empty() || options.label == "folder") return true;
  if (options.label == "none") return false;
  return UsageError("no column " + Quoted(options.label) + " in " + Quoted(source) +
                    ": only a CSV manifest has columns; use --label folder or --label none");
}

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string ParentName(std::string_view path, const std::string& top) {
  path.remove_suffix(BaseName(path).size());
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const std::string_view name = BaseName(path);
  return name.empty() || name == "." ? top : ToUtf8(name);
}

bool IsHidden(std::string_view name) {
  return !name.empty() && name[0] == '.' && name != "." && name != "..";
}

bool AnyHidden(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (IsHidden(path.substr(0, slash))) return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

}  // namespace pomona::io
