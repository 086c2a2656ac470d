#include "pomona/io/s3_answers.h"

#include <charconv>
#include <string_view>

#include <pugixml.hpp>

namespace pomona::io {
namespace {

// White space is kept: a key may consist of it.
constexpr unsigned kFlags = pugi::parse_default | pugi::parse_ws_pcdata_single;

Result<pugi::xml_node> Root(pugi::xml_document* document, const std::vector<uint8_t>& body,
                            const char* name) {
  const auto parsed = document->load_buffer(body.data(), body.size(), kFlags, pugi::encoding_utf8);
  const pugi::xml_node root = document->document_element();
  if (!parsed || std::string_view(root.name()) != name) {
    return Status::IOError("it answered with something else than a ", name,
                           ": is this an S3 endpoint?");
  }
  return root;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Undoes encoding-type=url, by which keys travel that XML cannot hold; "+" is a space there.
std::string UrlDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                        HexValue(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Keys of an answer, decoded if the server says that it encoded them (not all do as asked).
class Keys {
 public:
  explicit Keys(const pugi::xml_node& root)
      : encoded_(std::string_view(root.child_value("EncodingType")) == "url") {}
  std::string operator()(const pugi::xml_node& node, const char* name) const {
    const char* text = node.child_value(name);
    return encoded_ ? UrlDecoded(text) : text;
  }

 private:
  bool encoded_;
};

bool IsTrue(const pugi::xml_node& node, const char* name) {
  return std::string_view(node.child_value(name)) == "true";
}

}  // namespace

bool IsCutXml(const std::vector<uint8_t>& body) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  pugi::xml_document document;
  return (text.starts_with("<?xml") || text.starts_with("<Error")) &&
         !document.load_buffer(body.data(), body.size(), kFlags, pugi::encoding_utf8);
}

S3Error ParseS3Error(const std::vector<uint8_t>& body) {
  pugi::xml_document document;
  const auto root = Root(&document, body, "Error");
  if (!root.ok()) return {};
  return {root->child_value("Code"), root->child_value("Message"), root->child_value("Region")};
}

Result<S3Listing> ParseS3Listing(const std::vector<uint8_t>& body) {
  pugi::xml_document document;
  ARROW_ASSIGN_OR_RAISE(const pugi::xml_node root, Root(&document, body, "ListBucketResult"));
  const Keys key(root);
  S3Listing out;
  for (const pugi::xml_node& node : root.children("Contents")) {
    Object object;
    object.key = key(node, "Key");
    object.version = node.child_value("ETag");
    const std::string_view size = node.child_value("Size");
    const auto parsed = std::from_chars(size.data(), size.data() + size.size(), object.size);
    if (parsed.ec != std::errc() || object.size < 0) {
      return Status::IOError("it lists an object of size '", size, "'");
    }
    out.objects.push_back(std::move(object));
  }
  for (const pugi::xml_node& node : root.children("CommonPrefixes")) {
    out.prefixes.push_back(key(node, "Prefix"));
  }
  if (IsTrue(root, "IsTruncated")) {
    out.next = root.child_value("NextContinuationToken");
    if (out.next.empty()) return Status::IOError("it lists a part of the keys without a way on");
  }
  return out;
}

Result<S3Uploads> ParseS3Uploads(const std::vector<uint8_t>& body) {
  pugi::xml_document document;
  ARROW_ASSIGN_OR_RAISE(const pugi::xml_node root,
                        Root(&document, body, "ListMultipartUploadsResult"));
  const Keys key(root);
  S3Uploads out;
  for (const pugi::xml_node& node : root.children("Upload")) {
    out.uploads.push_back({key(node, "Key"), node.child_value("UploadId")});
  }
  if (IsTrue(root, "IsTruncated")) {
    out.next_key = key(root, "NextKeyMarker");
    out.next_id = root.child_value("NextUploadIdMarker");
    if (out.next_key.empty()) return Status::IOError("it lists a part of the uploads only");
  }
  return out;
}

Result<std::string> ParseS3UploadId(const std::vector<uint8_t>& body) {
  pugi::xml_document document;
  ARROW_ASSIGN_OR_RAISE(const pugi::xml_node root,
                        Root(&document, body, "InitiateMultipartUploadResult"));
  std::string id = root.child_value("UploadId");
  if (id.empty()) return Status::IOError("it began an upload without an id");
  return id;
}

}  // namespace pomona::io
