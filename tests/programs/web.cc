// enclave-testweb: a small HTTP/1.1 server for system tests, built so that every way in which a
// service can misbehave is one request away. Epoll, one thread, no libraries, small enough to run a
// hundred times on a laptop.
//
//   TESTWEB_VERSION  what / answers with (default v1); also --version V
//   POD_IP, PORT     where it listens (default 127.0.0.1, 8080); also --listen IP:PORT
//   TESTWEB_START_DELAY_MS  waits before it listens; also --start-delay-ms N
//
//   --access-log off, --die-with-parent 1
//
//   GET /             "VERSION HOSTNAME"
//   GET /healthz      200 or 500; GET /healthz/fail and /healthz/ok switch it
//   GET /readyz       200 or 503; GET /readyz/fail and /readyz/ok switch it
//   GET /slow?ms=N    answers after N ms
//   GET /leak?mb=N    takes N MiB more and keeps them
//   GET /spin?ms=N    burns CPU for N ms, answering nobody meanwhile
//   GET /crash        aborts; /exit?code=N exits; /segv faults
//   GET /log?lines=N  writes N numbered lines to standard output
//   GET /bytes?n=N    N bytes
//   GET /env?name=X   a variable of the environment; /headers: the request's own headers
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

bool log_access = true;

constexpr std::size_t kMaxRequestBytes = 64 << 10;
constexpr long kMaxAnswerBytes = 1L << 30;

long NowMs() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

std::string Variable(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  std::size_t sent = 0;
  long due_ms = 0;  // a delayed answer: nothing is written before
  bool close_after = false;
  bool ended = false;  // the client closed its side
};

class Server {
 public:
  Server(std::string version, std::string host)
      : version_(std::move(version)), host_(std::move(host)) {}

  int Run(const std::string& address, int port) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1 ||
        bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
        listen(listener_, 1024) != 0) {
      std::fprintf(stderr, "listen on %s:%d: %s\n", address.c_str(), port, std::strerror(errno));
      return 1;
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    Add(listener_, EPOLLIN);
    Add(signal_fd, EPOLLIN);
    std::printf("testweb %s listens on %s:%d\n", version_.c_str(), address.c_str(), port);
    while (listener_ >= 0 || !connections_.empty()) {
      struct epoll_event events[64];
      int n = epoll_wait(epoll_, events, 64, WaitMs());
      for (int i = 0; i < n; ++i) {
        int fd = events[i].data.fd;
        if (fd == listener_) {
          Accept();
        } else if (fd == signal_fd) {
          BeginShutdown();
        } else {
          Handle(fd, events[i].events);
        }
      }
      WriteDue();
      if (stop_by_ms_ > 0 && NowMs() > stop_by_ms_) break;
    }
    std::printf("testweb %s ends\n", version_.c_str());
    return 0;
  }

 private:
  void Add(int fd, std::uint32_t interest) {
    struct epoll_event event{};
    event.events = interest;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  int WaitMs() const {
    long now = NowMs();
    long next = -1;
    for (const auto& [fd, connection] : connections_) {
      if (connection->due_ms == 0) continue;
      long left = std::max(0L, connection->due_ms - now);
      if (next < 0 || left < next) next = left;
    }
    if (stop_by_ms_ > 0) {
      long left = std::max(0L, stop_by_ms_ - now) + 1;
      if (next < 0 || left < next) next = left;
    }
    return static_cast<int>(next);
  }

  // Answers what was asked already, takes no more.
  void BeginShutdown() {
    if (listener_ < 0) return;
    close(listener_);
    listener_ = -1;
    stop_by_ms_ = NowMs() + 5'000;
    std::vector<int> idle;
    for (const auto& [fd, connection] : connections_) {
      connection->close_after = true;
      if (connection->out.empty() && connection->in.empty()) idle.push_back(fd);
    }
    for (int fd : idle) Drop(fd);
  }

  void Accept() {
    while (true) {
      int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      auto connection = std::make_unique<Connection>();
      connection->fd = fd;
      connections_[fd] = std::move(connection);
      Add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
  }

  void Drop(int fd) {
    connections_.erase(fd);
    close(fd);
  }

  void Handle(int fd, std::uint32_t) {
    auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    Connection& connection = *found->second;
    char buffer[16 << 10];
    while (true) {
      ssize_t n = read(fd, buffer, sizeof buffer);
      if (n > 0) {
        connection.in.append(buffer, static_cast<std::size_t>(n));
        if (connection.in.size() > kMaxRequestBytes) return Drop(fd);
        continue;
      }
      if (n == 0) connection.ended = true;
      if (n < 0 && errno != EAGAIN) return Drop(fd);
      break;
    }
    Serve(connection);
    Flush(connection);
  }

  // Takes whole requests one after the other, as long as the one before is answered.
  void Serve(Connection& connection) {
    while (connection.due_ms == 0) {
      // Something else than HTTP: TLS, say.
      if (!connection.in.empty() &&
          std::isupper(static_cast<unsigned char>(connection.in[0])) == 0) {
        connection.in.clear();
        connection.ended = true;
        return;
      }
      std::size_t end = connection.in.find("\r\n\r\n");
      if (end == std::string::npos) return;
      std::string head = connection.in.substr(0, end);
      std::size_t body = 0;
      std::string lower = head;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (std::size_t at = lower.find("\r\ncontent-length:"); at != std::string::npos) {
        body = static_cast<std::size_t>(std::strtoul(lower.c_str() + at + 17, nullptr, 10));
      }
      if (connection.in.size() < end + 4 + body) return;
      connection.in.erase(0, end + 4 + body);
      if (lower.find("\r\nconnection: close") != std::string::npos) connection.close_after = true;
      Answer(connection, head);
    }
  }

  static long Number(std::string_view query, std::string_view name, long fallback) {
    std::string key = std::string(name) + "=";
    std::size_t at = query.find(key);
    return at == std::string_view::npos
               ? fallback
               : std::strtol(std::string(query.substr(at + key.size())).c_str(), nullptr, 10);
  }

  void Answer(Connection& connection, const std::string& head) {
    std::string line = head.substr(0, head.find("\r\n"));
    std::size_t first = line.find(' ');
    std::size_t second = line.find(' ', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      connection.close_after = true;
      return Send(connection, "?", 400, "bad request\n");
    }
    std::string target = line.substr(first + 1, second - first - 1);
    std::string path = target.substr(0, target.find('?'));
    std::string query = target.size() > path.size() ? target.substr(path.size() + 1) : "";
    int status = 200;
    std::string body = "ok\n";
    if (path == "/") {
      body = version_ + " " + host_ + "\n";
    } else if (path == "/healthz") {
      status = healthy_ ? 200 : 500;
      body = healthy_ ? "ok\n" : "not healthy\n";
    } else if (path == "/healthz/fail" || path == "/healthz/ok") {
      healthy_ = path == "/healthz/ok";
    } else if (path == "/readyz") {
      status = ready_ ? 200 : 503;
      body = ready_ ? "ok\n" : "not ready\n";
    } else if (path == "/readyz/fail" || path == "/readyz/ok") {
      ready_ = path == "/readyz/ok";
    } else if (path == "/slow") {
      connection.due_ms = NowMs() + std::max(1L, Number(query, "ms", 1000));
    } else if (path == "/leak") {
      auto bytes = static_cast<std::size_t>(std::max(0L, Number(query, "mb", 10))) << 20;
      leaked_.emplace_back(bytes, 'x');
    } else if (path == "/spin") {
      long until = NowMs() + Number(query, "ms", 1000);
      while (NowMs() < until) continue;
    } else if (path == "/crash") {
      std::fprintf(stderr, "crashing as asked\n");
      std::abort();
    } else if (path == "/segv") {
      raise(SIGSEGV);
    } else if (path == "/exit") {
      std::fflush(stdout);
      _exit(static_cast<int>(Number(query, "code", 0)));
    } else if (path == "/log") {
      long lines = Number(query, "lines", 1);
      for (long i = 1; i <= lines; ++i) std::printf("line %ld\n", ++logged_);
    } else if (path == "/bytes") {
      body.assign(static_cast<std::size_t>(std::clamp(Number(query, "n", 0), 0L, kMaxAnswerBytes)),
                  'b');
    } else if (path == "/env") {
      std::string name = query.starts_with("name=") ? query.substr(5) : "";
      body = Variable(name.c_str(), "") + "\n";
    } else if (path == "/headers") {
      body = head + "\n";
    } else {
      status = 404;
      body = "not found\n";
    }
    Send(connection, line, status, body);
  }

  void Send(Connection& connection, const std::string& line, int status, const std::string& body) {
    if (log_access) std::printf("%s %d\n", line.c_str(), status);
    const char* reason = status == 200 ? "OK" : status == 404 ? "Not Found" : "Error";
    connection.out +=
        "HTTP/1.1 " + std::to_string(status) + " " + reason +
        "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
        (connection.close_after ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
  }

  void Flush(Connection& connection) {
    int fd = connection.fd;
    if (connection.due_ms > 0) return;
    while (connection.sent < connection.out.size()) {
      ssize_t n = write(fd, connection.out.data() + connection.sent,
                        connection.out.size() - connection.sent);
      if (n < 0) {
        if (errno == EAGAIN) return;
        return Drop(fd);
      }
      connection.sent += static_cast<std::size_t>(n);
    }
    bool answered = !connection.out.empty();
    connection.out.clear();
    connection.sent = 0;
    if ((answered && connection.close_after) || connection.ended) Drop(fd);
  }

  void WriteDue() {
    long now = NowMs();
    std::vector<int> due;
    for (const auto& [fd, connection] : connections_) {
      if (connection->due_ms > 0 && connection->due_ms <= now) due.push_back(fd);
    }
    for (int fd : due) {
      Connection& connection = *connections_[fd];
      connection.due_ms = 0;
      Serve(connection);
      Flush(connection);
    }
  }

  const std::string version_;
  const std::string host_;
  int listener_ = -1;
  int epoll_ = -1;
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::vector<std::string> leaked_;
  bool healthy_ = true;
  bool ready_ = true;
  long logged_ = 0;
  long stop_by_ms_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::string version = Variable("TESTWEB_VERSION", "v1");
  std::string address = Variable("POD_IP", "127.0.0.1");
  int port = std::atoi(Variable("PORT", "8080").c_str());
  long delay_ms = std::atol(Variable("TESTWEB_START_DELAY_MS", "0").c_str());
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view option = argv[i];
    std::string value = argv[i + 1];
    if (option == "--version") version = value;
    if (option == "--start-delay-ms") delay_ms = std::atol(value.c_str());
    if (option == "--access-log" && value == "off") log_access = false;
    if (option == "--die-with-parent") prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (option == "--listen") {
      address = value.substr(0, value.find(':'));
      if (value.size() > address.size()) port = std::atoi(value.c_str() + address.size() + 1);
    }
  }
  if (delay_ms > 0) usleep(static_cast<useconds_t>(delay_ms * 1000));
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return Server(version, Variable("HOSTNAME", name)).Run(address, port);
}
