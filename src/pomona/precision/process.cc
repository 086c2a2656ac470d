#include "pomona/precision/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

namespace pomona::precision {
namespace {

Result<pid_t> Start(const std::vector<std::string>& command, const std::filesystem::path& log) {
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Status::IOError("cannot start ", command[0], ": ", std::strerror(error));
  return pid;
}

}  // namespace

Result<int> RunProcess(const std::vector<std::string>& command, const std::filesystem::path& log,
                       const std::stop_token& stop) {
  ARROW_ASSIGN_OR_RAISE(const pid_t pid, Start(command, log));
  int state = 0;
  bool stopped = false;
  while (true) {
    const pid_t ended = waitpid(pid, &state, WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) {
      return Status::IOError("lost sight of ", command[0], ": ", std::strerror(errno));
    }
    if (stop.stop_requested() && !stopped) {
      stopped = true;
      kill(pid, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (stopped) return Interrupted("stopped");
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

}  // namespace pomona::precision
