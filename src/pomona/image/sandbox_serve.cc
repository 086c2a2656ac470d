#include "pomona/image/sandbox_serve.h"

#include <fcntl.h>
#include <malloc.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <new>
#include <utility>
#include <vector>

#include "pomona/image/sandbox_socket.h"

namespace pomona::image {
namespace {

// Decoded pixels, the coefficients of a progressive JPEG and a copy to turn it.
constexpr int64_t kBytesPerPixel = 12;
// Of codecs and of the allocator, which keeps some of what was freed.
constexpr int64_t kSlack = int64_t{256} << 20;

bool LimitTo(__rlimit_resource what, int64_t most) {
  const rlimit limit = {static_cast<rlim_t>(most), static_cast<rlim_t>(most)};
  return setrlimit(what, &limit) == 0;
}

bool LimitResources(int64_t memory) {
  return LimitTo(RLIMIT_AS, memory) && LimitTo(RLIMIT_CORE, 0) && LimitTo(RLIMIT_FSIZE, 0) &&
         LimitTo(RLIMIT_NOFILE, 0) && LimitTo(RLIMIT_NPROC, 0);
}

// The system calls of computing and answering; every other one ends the process.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS)) {
    if (context_ == nullptr) error_ = EINVAL;
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }

  void Allow(std::initializer_list<int> calls) {
    for (const int call : calls) Add(SCMP_ACT_ALLOW, call, {});
  }
  // If all of `arguments` hold.
  void Allow(int call, std::initializer_list<scmp_arg_cmp> arguments) {
    Add(SCMP_ACT_ALLOW, call, arguments);
  }
  void Refuse(int call, std::initializer_list<scmp_arg_cmp> arguments) {
    Add(SCMP_ACT_ERRNO(EBADF), call, arguments);
  }

  // 0, or an errno.
  int Load() {
    if (error_ == 0) {
      error_ = -seccomp_attr_set(context_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    if (error_ == 0) error_ = -seccomp_load(context_);
    return error_;
  }

 private:
  void Add(uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments) {
    if (error_ != 0) return;
    error_ = -seccomp_rule_add_array(context_, action, call,
                                     static_cast<unsigned>(arguments.size()), arguments.begin());
  }

  scmp_filter_ctx context_;
  int error_ = 0;
};

scmp_arg_cmp Is(unsigned argument, int64_t value) {
  return {argument, SCMP_CMP_EQ, static_cast<scmp_datum_t>(value), 0};
}

scmp_arg_cmp Has(unsigned argument, int64_t mask, int64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(mask),
          static_cast<scmp_datum_t>(value)};
}

int LoadFilter(int socket) {
  Filter filter;
  for (const int call : {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(recvfrom), SCMP_SYS(sendto)}) {
    filter.Allow(call, {Is(0, socket)});
  }
  filter.Allow({SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
                SCMP_SYS(futex), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
                SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),
                SCMP_SYS(sched_yield)});
  filter.Allow(SCMP_SYS(mmap), {Has(2, PROT_EXEC, 0), Has(3, MAP_ANONYMOUS, MAP_ANONYMOUS)});
  filter.Allow(SCMP_SYS(mprotect), {Has(2, PROT_EXEC, 0)});
  // abort(): a heap that is found damaged ends as SIGABRT, not as a forbidden call. Its last words
  // would go to stderr, which is not there.
  filter.Allow({SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid), SCMP_SYS(gettid)});
  filter.Allow(SCMP_SYS(tgkill), {Is(0, getpid())});
  for (const int call : {SCMP_SYS(write), SCMP_SYS(writev)}) {
    filter.Refuse(call, {Is(0, STDERR_FILENO)});
  }
  // glibc's malloc asks for /proc/sys/vm/overcommit_memory before it gives memory back, and bears
  // not to get it.
  filter.Refuse(SCMP_SYS(openat), {Is(2, O_RDONLY | O_CLOEXEC)});
#if defined(__SANITIZE_ADDRESS__)
  filter.Allow({SCMP_SYS(sigaltstack)});  // before every longjmp of libjpeg and libpng
#endif
  return filter.Load();
}

Ready GiveUpRights(int socket, int64_t memory) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return {Step::kProcess, errno};
  }
  if (!LimitResources(memory)) return {Step::kLimits, errno};
  if (const int error = LoadFilter(socket); error != 0) return {Step::kSeccomp, error};
  return {};
}

bool SendImage(int socket, const Image& image) {
  Answer answer;
  answer.width = image.width;
  answer.height = image.height;
  answer.text_size = image.damage.size();
  return SendAll(socket, &answer, sizeof(answer)) &&
         SendAll(socket, image.damage.data(), image.damage.size()) &&
         SendAll(socket, image.rgb.data(), image.rgb.size());
}

bool SendRejection(int socket, const Rejection& rejection) {
  Answer answer;
  answer.kind = AnswerKind::kRejected;
  answer.reason = rejection.reason;
  answer.byte_offset = rejection.byte_offset.value_or(-1);
  answer.pixels = rejection.pixels;
  answer.bytes = rejection.bytes;
  answer.text_size = rejection.detail.size();
  return SendAll(socket, &answer, sizeof(answer)) &&
         SendAll(socket, rejection.detail.data(), rejection.detail.size());
}

// False if there is nobody to answer any more.
bool ServeOne(int socket, const SandboxOptions& options) {
  Request request;
  if (!ReceiveAll(socket, &request, sizeof(request))) return false;
  std::vector<uint8_t> bytes(request.size);
  if (!ReceiveAll(socket, bytes.data(), bytes.size())) return false;
  const Outcome<Image> decoded = options.decode(bytes, request.limits, request.policy);
  return decoded.ok() ? SendImage(socket, decoded.value())
                      : SendRejection(socket, decoded.rejection());
}

}  // namespace

int64_t WorkerMemory(const DecodeLimits& limits) {
  return limits.max_pixels * kBytesPerPixel + limits.max_bytes * 2 + kSlack;
}

void Serve(int socket, const SandboxOptions& options, int64_t memory) {
  mallopt(M_ARENA_MAX, 1);  // or malloc asks for the number of CPUs when memory runs out
  const Ready ready = GiveUpRights(socket, memory);
  if (!SendAll(socket, &ready, sizeof(ready)) || ready.failed != Step::kNone) _exit(1);
  try {
    while (ServeOne(socket, options)) {
    }
  } catch (const std::bad_alloc&) {
    Answer answer;
    answer.kind = AnswerKind::kNoMemory;
    SendAll(socket, &answer, sizeof(answer));
  } catch (...) {
    std::abort();
  }
  _exit(0);
}

}  // namespace pomona::image
