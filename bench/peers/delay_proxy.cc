// Passes TCP connections on to a port of this machine and holds every chunk of a request back for a
// while:
//
//     delay_proxy PORT MILLISECONDS
//
// Prints the port that it listens on. Chunks of answers pass at once, so a request takes as much
// longer as it would over a network with this round-trip time. One thread and few system calls:
// what it takes of the machine is missing to the program that is measured.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;

void Check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

sockaddr_in Local(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Both ends of what was one connection; closed together.
struct Pair {
  int client;
  int server;
  bool open = true;
};

struct Held {
  Clock::time_point due;
  std::shared_ptr<Pair> pair;
  std::string data;
};

class Proxy {
 public:
  Proxy(int port, std::chrono::nanoseconds delay) : port_(port), delay_(delay) {
    sockaddr_in address = Local(0);
    socklen_t size = sizeof(address);
    Check(bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    Check(listen(listening_, 1024) == 0, "listen");
    getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    Watch(listening_);
    Watch(timer_);
  }

  [[noreturn]] void Run() {
    for (std::array<epoll_event, 64> events;;) {
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < n; ++i) {
        const int fd = events[static_cast<size_t>(i)].data.fd;
        if (fd == listening_) {
          Accept();
        } else if (fd == timer_) {
          PassOnWhatIsDue();
        } else {
          Receive(fd);
        }
      }
    }
  }

 private:
  void Watch(int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    Check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }

  void Accept() {
    const sockaddr_in to = Local(port_);
    auto pair = std::make_shared<Pair>();
    pair->client = accept(listening_, nullptr, nullptr);
    pair->server = socket(AF_INET, SOCK_STREAM, 0);
    Check(connect(pair->server, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0,
          "connect");
    for (const int fd : {pair->client, pair->server}) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      pairs_[fd] = pair;
      Watch(fd);
    }
  }

  void Receive(int fd) {
    const auto found = pairs_.find(fd);
    if (found == pairs_.end()) return;  // closed by the event before this one
    const std::shared_ptr<Pair> pair = found->second;
    const ssize_t n = recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Close(pair.get());
    if (fd == pair->server) return Send(pair->client, buffer_.data(), static_cast<size_t>(n));
    held_.push_back({Clock::now() + delay_, pair, {buffer_.data(), static_cast<size_t>(n)}});
    if (held_.size() == 1) SetTimer();
  }

  void PassOnWhatIsDue() {
    uint64_t count = 0;
    (void)!read(timer_, &count, sizeof(count));
    for (; !held_.empty() && held_.front().due <= Clock::now(); held_.pop_front()) {
      const Held& held = held_.front();
      if (held.pair->open) Send(held.pair->server, held.data.data(), held.data.size());
    }
    if (!held_.empty()) SetTimer();
  }

  // For the first of what is held back; all wait equally long.
  void SetTimer() {
    const auto due = held_.front().due.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(due);
    itimerspec when = {};
    when.it_value = {seconds.count(), std::chrono::nanoseconds(due - seconds).count()};
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  // Waits if the other end is slow to receive, which holds up all connections.
  static void Send(int fd, const char* data, size_t size) {
    while (size > 0) {
      const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
      if (n <= 0) return;  // it went away, which its next event tells
      data += n;
      size -= static_cast<size_t>(n);
    }
  }

  void Close(Pair* pair) {
    pair->open = false;
    for (const int fd : {pair->client, pair->server}) {
      pairs_.erase(fd);
      close(fd);
    }
  }

  const int port_;
  const std::chrono::nanoseconds delay_;
  const int listening_ = socket(AF_INET, SOCK_STREAM, 0);
  const int epoll_ = epoll_create1(0);
  const int timer_ = timerfd_create(CLOCK_MONOTONIC, 0);
  std::unordered_map<int, std::shared_ptr<Pair>> pairs_;  // by either end
  std::deque<Held> held_;
  std::array<char, 1 << 18> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: delay_proxy PORT MILLISECONDS\n");
    return 2;
  }
  const std::chrono::duration<double, std::milli> delay(std::atof(argv[2]));
  static Proxy proxy(std::atoi(argv[1]),
                     std::chrono::duration_cast<std::chrono::nanoseconds>(delay));
  proxy.Run();
}
