// Highway's kernels, one instruction set at a time. Only for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <hwy/targets.h>

namespace pomona {

// Calls `check` once for every instruction set this CPU has, with kernels confined to it.
inline void ForEachTarget(const std::function<void(const std::string& name)>& check) {
  for (int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    hwy::GetChosenTarget().Update(target);
    check(hwy::TargetName(target));
  }
  hwy::GetChosenTarget().DeInit();
}

}  // namespace pomona
