// SVG -> PNG with librsvg and cairo.

#include <cairo.h>
#include <librsvg/rsvg.h>

#include <cmath>
#include <memory>
#include <string>

#include "pomona/view/plots.h"

namespace pomona::view {
namespace {

constexpr int kLargestSide = 20'000;  // pixels; cairo's own limit is 32,767

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* cairo) const { cairo_destroy(cairo); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

Status Failed(const std::string& what, GError* error) {
  std::string detail = error == nullptr ? "unknown error" : error->message;
  g_clear_error(&error);
  return Status::Invalid(what, ": ", detail);
}

Result<Owned<RsvgHandle>> Load(const std::string& svg) {
  GError* error = nullptr;
  const Owned<GInputStream> stream(
      g_memory_input_stream_new_from_data(svg.data(), static_cast<gssize>(svg.size()), nullptr));
  // Unlimited: libxml2 otherwise refuses attributes over 10 MB, which a path of many points is.
  // Without a base file nothing outside the document can be loaded.
  Owned<RsvgHandle> handle(rsvg_handle_new_from_stream_sync(
      stream.get(), nullptr, RSVG_HANDLE_FLAG_UNLIMITED, nullptr, &error));
  if (handle == nullptr) return Failed("cannot read the SVG to be drawn", error);
  return handle;
}

// Height for a given width that keeps the drawing's proportions.
Result<int> HeightOf(RsvgHandle* handle, int width) {
  gboolean has_width, has_height, has_view_box;
  RsvgLength ignored_width, ignored_height;
  RsvgRectangle box;
  rsvg_handle_get_intrinsic_dimensions(handle, &has_width, &ignored_width, &has_height,
                                       &ignored_height, &has_view_box, &box);
  if (!has_view_box || !(box.width > 0) || !(box.height > 0)) {
    return Status::Invalid("the SVG to be drawn has no viewBox with an area");
  }
  const double height = std::round(width * box.height / box.width);
  if (width < 1 || width > kLargestSide || !(height >= 1) || height > kLargestSide) {
    return Status::Invalid("a picture must be 1 to ", kLargestSide, " pixels wide and high, not ",
                           width, " x ", height);
  }
  return static_cast<int>(height);
}

cairo_status_t Append(void* closure, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(closure)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

Status CheckCairo(cairo_status_t status) {
  if (status == CAIRO_STATUS_SUCCESS) return Status::OK();
  return Status::Invalid("cannot draw the PNG: ", cairo_status_to_string(status));
}

}  // namespace

Result<std::string> RenderPng(const std::string& svg, int width) {
  ARROW_ASSIGN_OR_RAISE(const Owned<RsvgHandle> handle, Load(svg));
  ARROW_ASSIGN_OR_RAISE(const int height, HeightOf(handle.get(), width));
  const Owned<cairo_surface_t> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  const Owned<cairo_t> cairo(cairo_create(surface.get()));
  cairo_set_source_rgb(cairo.get(), 1, 1, 1);
  cairo_paint(cairo.get());
  const RsvgRectangle viewport{0, 0, static_cast<double>(width), static_cast<double>(height)};
  GError* error = nullptr;
  if (!rsvg_handle_render_document(handle.get(), cairo.get(), &viewport, &error)) {
    return Failed("cannot draw the SVG", error);
  }
  ARROW_RETURN_NOT_OK(CheckCairo(cairo_status(cairo.get())));
  std::string png;
  ARROW_RETURN_NOT_OK(CheckCairo(cairo_surface_write_to_png_stream(surface.get(), Append, &png)));
  return png;
}

}  // namespace pomona::view
