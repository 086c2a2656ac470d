// The names of an enum's values: one table for writing and reading them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace pomona {

template <typename Enum, size_t kCount>
using Names = std::array<std::pair<Enum, std::string_view>, kCount>;

// "unknown" if the table has not the value.
template <typename Enum, size_t kCount>
constexpr std::string_view NameOf(const Names<Enum, kCount>& names, Enum value) {
  for (const auto& [v, name] : names) {
    if (v == value) return name;
  }
  return "unknown";
}

template <typename Enum, size_t kCount>
constexpr std::optional<Enum> ValueOf(const Names<Enum, kCount>& names, std::string_view name) {
  for (const auto& [value, n] : names) {
    if (n == name) return value;
  }
  return std::nullopt;
}

}  // namespace pomona
