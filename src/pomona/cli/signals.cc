#include "pomona/cli/signals.h"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "pomona/cli/command.h"

namespace pomona::cli {

std::stop_token HandleSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::stop_source source;
  // Threads started from here on inherit the mask, so only this one sees the signals.
  std::thread([source, set]() mutable {
    int signal = 0;
    sigwait(&set, &signal);
    std::cerr << "\nstopping after the images in work; press Ctrl-C again to stop at once"
              << std::endl;
    source.request_stop();
    sigwait(&set, &signal);
    std::_Exit(kExitInterrupted);
  }).detach();
  return source.get_token();
}

}  // namespace pomona::cli
