// What filters see beyond an image's edge.
#pragma once

namespace pomona::image {

// Mirrors `i` into [0, size) about the outermost pixels, which are not repeated
// (OpenCV's BORDER_REFLECT_101: dcb|abcd|cba), as often as needed.
inline int Reflect(int i, int size) {
  if (size == 1) return 0;
  while (i < 0 || i >= size) i = i < 0 ? -i : 2 * (size - 1) - i;
  return i;
}

}  // namespace pomona::image
