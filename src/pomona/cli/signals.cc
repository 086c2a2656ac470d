#include "pomona/cli/signals.h"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "pomona/cli/command.h"

namespace pomona::cli {
namespace {

pthread_t waiter;  // the thread that waits for signals

void HandOver(int signal) { pthread_kill(waiter, signal); }

}  // namespace

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
  std::thread thread([source, set]() mutable {
    int signal = 0;
    sigwait(&set, &signal);
    std::cerr << "\nstopping after the images in work; press Ctrl-C again to stop at once"
              << std::endl;
    source.request_stop();
    sigwait(&set, &signal);
    std::_Exit(kExitInterrupted);
  });
  waiter = thread.native_handle();
  thread.detach();
  // Those that libraries started before main (OpenBLAS does) do not: they hand them over.
  struct sigaction action = {};
  action.sa_handler = HandOver;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return source.get_token();
}

}  // namespace pomona::cli
