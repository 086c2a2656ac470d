#include "pomona/image/sandbox_zygote.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <set>

#include "pomona/image/sandbox_serve.h"

namespace pomona::image {
namespace {

// The only descriptor beside the standard ones: the zygote's to the program, a worker's likewise.
constexpr int kSocket = STDERR_FILENO + 1;

struct Command {
  bool fork = false;  // else: end `worker`
  pid_t worker = 0;
};

// A message with, perhaps, a descriptor beside it (unix(7), SCM_RIGHTS).
class Parcel {
 public:
  explicit Parcel(Command* command) {
    part_ = {command, sizeof(*command)};
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    message_.msg_control = space_.data();
    message_.msg_controllen = space_.size();
  }

  void Attach(int fd) {
    if (fd < 0) {
      message_.msg_controllen = 0;
      return;
    }
    cmsghdr* header = CMSG_FIRSTHDR(&message_);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  }
  int attached() const {
    int fd = -1;
    const cmsghdr* header = CMSG_FIRSTHDR(&message_);
    if (header != nullptr) std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
  }
  msghdr* message() { return &message_; }

 private:
  iovec part_ = {};
  msghdr message_ = {};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space_ = {};
};

// Leaves of the descriptors only `socket`, as kSocket, and /dev/null as the standard ones.
bool KeepOnly(int socket) {
  if (dup2(socket, kSocket) < 0) return false;
  const int null = open("/dev/null", O_RDWR);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (dup2(null, fd) < 0) return false;  // also if there is no /dev/null
  }
  return close_range(kSocket + 1, ~0U, 0) == 0;
}

// The program's handlers are not for here, and what a terminal sends is meant for the program,
// which may want to finish the images in work.
void ResetSignals() {
  for (int signal = 1; signal < SIGRTMAX; ++signal) std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, signal);
  sigprocmask(SIG_SETMASK, &set, nullptr);
}

[[noreturn]] void RunWorker(int socket, pid_t zygote, const SandboxOptions& options,
                            int64_t memory) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != zygote || dup2(socket, kSocket) < 0 || close_range(kSocket + 1, ~0U, 0) != 0) {
    _exit(1);
  }
  Serve(kSocket, options, memory);
}

// Process id, or a negative errno.
int ForkWorker(int socket, const SandboxOptions& options, int64_t memory) {
  const pid_t zygote = getpid();
  const pid_t worker = fork();
  if (worker == 0) RunWorker(socket, zygote, options, memory);
  const int answer = worker < 0 ? -errno : worker;
  close(socket);
  return answer;
}

int EndWorker(pid_t worker) {
  kill(worker, SIGKILL);
  int state = 0;
  while (waitpid(worker, &state, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  return state;
}

[[noreturn]] void RunZygote(int control, const SandboxOptions& options, int64_t memory) {
  prctl(PR_SET_NAME, "pomona-sandbox", 0, 0, 0);
  ResetSignals();
  if (!KeepOnly(control)) _exit(1);
  std::set<pid_t> workers;
  while (true) {
    Command command;
    Parcel parcel(&command);
    if (recvmsg(kSocket, parcel.message(), MSG_CMSG_CLOEXEC) != sizeof(command)) break;
    int answer = 0;
    if (command.fork) {
      answer = ForkWorker(parcel.attached(), options, memory);
      if (answer > 0) workers.insert(answer);
    } else {
      answer = EndWorker(command.worker);
      workers.erase(command.worker);
    }
    if (!SendAll(kSocket, &answer, sizeof(answer))) break;
  }
  for (const pid_t worker : workers) EndWorker(worker);
  _exit(0);
}

Status System(const char* what, int error) {
  return Status::IOError("sandbox: cannot ", what, ": ", std::strerror(error));
}

Status Lost() {
  return Status::IOError(
      "the process that starts the workers of --sandbox has ended: was it killed? Run the same "
      "command again");
}

}  // namespace

Result<std::unique_ptr<Zygote>> Zygote::Start(const SandboxOptions& options, int64_t memory) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return System("make a socket", errno);
  }
  Socket here(ends[0]);
  const Socket there(ends[1]);
  const pid_t pid = fork();
  if (pid == 0) RunZygote(there.fd(), options, memory);
  if (pid < 0) return System("start a process", errno);
  return std::unique_ptr<Zygote>(new Zygote(pid, std::move(here)));
}

Zygote::~Zygote() {
  control_ = Socket();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<int> Zygote::Ask(bool fork, pid_t worker, int socket) {
  const std::lock_guard lock(mutex_);
  Command command = {fork, worker};
  Parcel parcel(&command);
  parcel.Attach(socket);
  ssize_t count = 0;
  do {
    count = sendmsg(control_.fd(), parcel.message(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  int answer = 0;
  if (count < 0 || !ReceiveAll(control_.fd(), &answer, sizeof(answer))) return Lost();
  return answer;
}

Result<pid_t> Zygote::Fork(const Socket& socket) {
  ARROW_ASSIGN_OR_RAISE(const int answer, Ask(true, 0, socket.fd()));
  if (answer < 0) return System("start a worker", -answer);
  return answer;
}

Result<int> Zygote::End(pid_t worker) {
  ARROW_ASSIGN_OR_RAISE(const int answer, Ask(false, worker, -1));
  if (answer < 0) return System("end a worker", -answer);
  return answer;
}

}  // namespace pomona::image
