// udtbench is one side of the benchmark's works over the reference C++ library,
// libudt 4.11, through its public API. The Go program builds it and gives it a
// role and the job as name=value arguments; it answers with the same events as the Go
// children, one JSON line each on standard output. The end of its standard input
// means stop: a server that has not reported then reports what it has.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <udt/udt.h>

namespace {

std::map<std::string, std::string> job;

double real(const char* name) { return atof(job[name].c_str()); }
long long number(const char* name) { return atoll(job[name].c_str()); }

std::mutex output;
bool reported = false;
std::atomic<bool> stopping{false};

void emit(const std::string& line) {
  printf("%s\n", line.c_str());
  fflush(stdout);
}

// UDT::cleanup is not called: it waits seconds for sockets to be collected.
[[noreturn]] void fail(const std::string& what) {
  std::string text = what + ": " + UDT::getlasterror().getErrorMessage();
  for (char& c : text)
    if (c == '\n' || c == '"' || c == '\\') c = ' ';
  std::lock_guard<std::mutex> hold(output);
  if (!reported) emit("{\"event\":\"error\",\"error\":\"" + text + "\"}");
  _exit(1);
}

int64_t wall() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double elapsed(int64_t since) { return double(wall() - since) / 1e9; }

double cpu() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return double(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + double(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

// Peak is the most bytes that were ever resident. It is not ru_maxrss, which an
// exec inherits.
long long peak() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      long long kib = 0;
      status >> kib;
      return kib << 10;
    }
  return 0;
}

// Report is what is measured. The streams add to it under its lock.
struct Report {
  std::mutex mu;
  int64_t start = 0;
  double cpu = 0;
  long long bytes = 0, ops = 0, failed = 0;
  std::vector<long long> shares, series;
  std::vector<double> latency;  // µs
  UDTSOCKET socket = UDT::INVALID_SOCK;  // whose counters are told

  void begin() {
    std::lock_guard<std::mutex> hold(mu);
    cpu = ::cpu();
    start = wall();
  }

  void received(size_t share, int n) {
    std::lock_guard<std::mutex> hold(mu);
    bytes += n;
    shares[share] += n;
    double interval = real("interval");
    if (interval <= 0) return;
    size_t i = size_t(elapsed(start) / interval);
    if (series.size() <= i) series.resize(i + 1);
    series[i] += n;
  }
} report;

void list(std::ostringstream& out, const char* name, const std::vector<long long>& v) {
  out << ",\"" << name << "\":[";
  for (size_t i = 0; i < v.size(); i++) out << (i ? "," : "") << v[i];
  out << "]";
}

// finish prints the result, once.
void finish() {
  std::lock_guard<std::mutex> hold(output);
  if (reported) return;
  reported = true;
  std::lock_guard<std::mutex> also(report.mu);
  Report& r = report;
  int64_t end = wall();
  std::ostringstream out;
  out.precision(12);
  out << "{\"event\":\"result\",\"result\":{\"Bytes\":" << r.bytes << ",\"Ops\":" << r.ops << ",\"Failed\":" << r.failed
      << ",\"Start\":" << r.start << ",\"End\":" << end << ",\"Seconds\":" << double(end - r.start) / 1e9
      << ",\"CPU\":" << ::cpu() - r.cpu << ",\"PeakMemory\":" << peak() << ",\"Mallocs\":-1,\"AllocBytes\":-1";
  if (r.shares.size() > 1) list(out, "Shares", r.shares);
  if (!r.series.empty()) list(out, "Series", r.series);
  if (!r.latency.empty()) {
    std::sort(r.latency.begin(), r.latency.end());
    auto at = [&](double q) { return r.latency[std::min(size_t(q * double(r.latency.size())), r.latency.size() - 1)]; };
    out << ",\"Latency\":{\"P50\":" << at(.5) << ",\"P99\":" << at(.99) << ",\"P999\":" << at(.999) << ",\"Max\":" << at(1) << "}";
  }
  UDT::TRACEINFO t;
  if (r.socket != UDT::INVALID_SOCK && UDT::perfmon(r.socket, &t, false) != UDT::ERROR)
    out << ",\"Stats\":{\"packets_sent\":" << t.pktSentTotal << ",\"packets_received\":" << t.pktRecvTotal
        << ",\"retransmitted\":" << t.pktRetransTotal << ",\"lost_send\":" << t.pktSndLossTotal
        << ",\"lost_recv\":" << t.pktRcvLossTotal << ",\"rtt_us\":" << t.msRTT * 1000 << ",\"flow_window\":" << t.pktFlowWindow
        << ",\"window\":" << t.pktCongestionWindow << "}";
  out << "}}";
  emit(out.str());
}

// watchInput ends the process when its parent has nothing more for it, or has died.
void watchInput(bool server) {
  char b[4096];
  while (read(0, b, sizeof b) > 0) {
  }
  stopping = true;
  if (server) finish();
  _exit(0);
}

bool sendAll(UDTSOCKET u, const char* b, int n) {
  for (int done = 0; done < n;) {
    int k = UDT::send(u, b + done, n - done, 0);
    if (k == UDT::ERROR) return false;
    done += k;
  }
  return true;
}

bool recvAll(UDTSOCKET u, char* b, int n) {
  for (int done = 0; done < n;) {
    int k = UDT::recv(u, b + done, n - done, 0);
    if (k == UDT::ERROR) return false;
    done += k;
  }
  return true;
}

UDTSOCKET makeSocket() {
  UDTSOCKET u = UDT::socket(AF_INET, SOCK_STREAM, 0);
  if (u == UDT::INVALID_SOCK) fail("socket");
  int send = int(number("sendbuffer")), recv = int(number("recvbuffer"));
  if (send > 0) UDT::setsockopt(u, 0, UDT_SNDBUF, &send, sizeof send);
  if (recv > 0) {
    int flight = std::max(25600, recv / 1400);  // the library caps the buffer by it
    UDT::setsockopt(u, 0, UDT_FC, &flight, sizeof flight);
    UDT::setsockopt(u, 0, UDT_RCVBUF, &recv, sizeof recv);
  }
  return u;
}

sockaddr_in address() {
  std::string a = job["addr"];
  size_t colon = a.rfind(':');
  sockaddr_in s{};
  s.sin_family = AF_INET;
  s.sin_port = htons(uint16_t(atoi(a.c_str() + colon + 1)));
  if (colon == std::string::npos || inet_pton(AF_INET, a.substr(0, colon).c_str(), &s.sin_addr) != 1) fail("address " + a);
  return s;
}

UDTSOCKET listenHere() {
  UDTSOCKET l = makeSocket();
  sockaddr_in s = address();
  if (UDT::bind(l, reinterpret_cast<sockaddr*>(&s), sizeof s) == UDT::ERROR) fail("bind");
  if (UDT::listen(l, 1024) == UDT::ERROR) fail("listen");
  int n = sizeof s;
  if (UDT::getsockname(l, reinterpret_cast<sockaddr*>(&s), &n) == UDT::ERROR) fail("getsockname");
  char host[64];
  inet_ntop(AF_INET, &s.sin_addr, host, sizeof host);
  emit("{\"event\":\"listening\",\"addr\":\"" + std::string(host) + ":" + std::to_string(ntohs(s.sin_port)) + "\"}");
  return l;
}

UDTSOCKET acceptOne(UDTSOCKET l) {
  sockaddr_storage from;
  int n = sizeof from;
  UDTSOCKET u = UDT::accept(l, reinterpret_cast<sockaddr*>(&from), &n);
  if (u == UDT::INVALID_SOCK) fail("accept");
  return u;
}

UDTSOCKET dial() {
  UDTSOCKET u = makeSocket();
  sockaddr_in s = address();
  if (UDT::connect(u, reinterpret_cast<sockaddr*>(&s), sizeof s) != UDT::ERROR) return u;
  UDT::close(u);
  return UDT::INVALID_SOCK;
}

UDTSOCKET mustDial() {
  UDTSOCKET u = dial();
  if (u == UDT::INVALID_SOCK) fail("connect");
  return u;
}

// Chunks follows a bulk stream, whose format is described in chunk.go.
class Chunks {
 public:
  bool done = false;

  void add(const char* b, size_t n) {
    while (n > 0) {
      if (done) fail("bytes after the last chunk");
      size_t k;
      if (at_ < sizeof header_) {
        k = std::min(n, sizeof header_ - at_);
        memcpy(header_ + at_, b, k);
      } else {
        k = std::min(n, size_ - at_);
        check(b, k);
      }
      at_ += k, b += k, n -= k;
      if (at_ == size_) end();
    }
  }

 private:
  // check compares with the first chunk: all have the same content.
  void check(const char* b, size_t n) {
    if (!verify_) return;
    if (index_ == 0)
      first_.append(b, n);
    else if (memcmp(b, first_.data() + at_ - sizeof header_, n) != 0)
      fail("a chunk was changed");
  }

  void end() {
    uint64_t index;
    memcpy(&index, header_, sizeof index);
    if (index != index_) fail("a chunk is missing");
    done = header_[8] == 1;
    index_++;
    at_ = 0;
  }

  size_t size_ = size_t(number("size")), at_ = 0;
  uint64_t index_ = 0;
  bool verify_ = job["verify"] == "true";
  std::string first_;
  char header_[16];
};

void bulkReceive(UDTSOCKET u, size_t share) {
  Chunks chunks;
  std::vector<char> b(256 << 10);
  while (!chunks.done) {
    int n = UDT::recv(u, b.data(), int(b.size()), 0);
    if (n == UDT::ERROR) {
      if (stopping) return;
      fail("recv");
    }
    report.received(share, n);
    chunks.add(b.data(), size_t(n));
  }
  char one = 1;
  if (!sendAll(u, &one, 1) && !stopping) fail("send");
}

void bulkServe(UDTSOCKET l) {
  size_t conns = size_t(number("conns"));
  report.shares.resize(conns);
  std::vector<UDTSOCKET> sockets;
  for (size_t i = 0; i < conns; i++) {
    sockets.push_back(acceptOne(l));
    if (i == 0) report.begin();
  }
  {
    std::lock_guard<std::mutex> hold(report.mu);
    report.socket = sockets[0];
  }
  std::vector<std::thread> all;
  for (size_t i = 0; i < conns; i++) all.emplace_back(bulkReceive, sockets[i], i);
  for (auto& t : all) t.join();
}

void bulkSend(UDTSOCKET u) {
  std::vector<char> chunk(size_t(number("size")));
  uint64_t state = 1;
  for (char& c : chunk) c = char((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  long long limit = number("bytes"), sent = 0;
  double time = real("seconds");
  bool last = false;
  for (uint64_t index = 0; !last; index++) {
    last = limit > 0 ? sent + (long long)chunk.size() >= limit : elapsed(report.start) >= time;
    memset(chunk.data() + 8, 0, 8);
    memcpy(chunk.data(), &index, sizeof index);
    chunk[8] = last;
    if (!sendAll(u, chunk.data(), int(chunk.size()))) fail("send");
    sent += (long long)chunk.size();
  }
  char one;
  if (!recvAll(u, &one, 1)) fail("recv");
  std::lock_guard<std::mutex> hold(report.mu);
  report.bytes += sent;
}

void bulkDial() {
  std::vector<UDTSOCKET> sockets;
  for (long long i = 0; i < number("conns"); i++) sockets.push_back(mustDial());
  report.begin();
  {
    std::lock_guard<std::mutex> hold(output);
    emit("{\"event\":\"connected\"}");
  }
  report.socket = sockets[0];
  std::vector<std::thread> all;
  for (UDTSOCKET u : sockets) all.emplace_back(bulkSend, u);
  for (auto& t : all) t.join();
}

void exchangeServe(UDTSOCKET l) {
  UDTSOCKET u = acceptOne(l);
  std::vector<char> request(size_t(number("size"))), reply(size_t(number("reply")));
  report.begin();
  while (recvAll(u, request.data(), int(request.size()))) {
    memcpy(reply.data(), request.data(), std::min(request.size(), reply.size()));
    if (!sendAll(u, reply.data(), int(reply.size()))) break;
    std::lock_guard<std::mutex> hold(report.mu);
    report.ops++;
    report.bytes += (long long)request.size();
  }
  if (!stopping) fail("exchange");
}

void exchangeDial() {
  UDTSOCKET u = mustDial();
  std::vector<char> request(size_t(number("size"))), reply(size_t(number("reply")));
  double time = real("seconds");
  int warmup = 100;
  for (int i = 0;; i++) {
    if (i == warmup) report.begin();
    if (i >= warmup && elapsed(report.start) >= time) break;
    request[0] = char(i), request[1] = char(i >> 8);
    auto before = std::chrono::steady_clock::now();
    if (!sendAll(u, request.data(), int(request.size())) || !recvAll(u, reply.data(), int(reply.size()))) fail("exchange");
    if (reply[0] != request[0] || reply[1] != request[1]) fail("the reply is to another request");
    if (i < warmup) continue;
    report.latency.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before).count());
    report.ops++;
    report.bytes += (long long)reply.size();
  }
}

void setupServe(UDTSOCKET l) {
  report.begin();
  for (;;) {
    UDTSOCKET u = acceptOne(l);
    std::thread([u] {
      char b;
      if (recvAll(u, &b, 1) && sendAll(u, &b, 1)) {
        {
          std::lock_guard<std::mutex> hold(report.mu);
          report.ops++;
        }
        recvAll(u, &b, 1);  // the end
      }
      UDT::close(u);
    }).detach();
  }
}

bool setupOnce() {
  UDTSOCKET u = dial();
  if (u == UDT::INVALID_SOCK) return false;
  char b = 1;
  bool ok = sendAll(u, &b, 1) && recvAll(u, &b, 1);
  UDT::close(u);
  return ok;
}

void setupDial() {
  report.begin();
  double time = real("seconds");
  std::vector<std::thread> all;
  for (long long i = 0; i < number("conns"); i++)
    all.emplace_back([time] {
      while (elapsed(report.start) < time) {
        bool ok = setupOnce();
        std::lock_guard<std::mutex> hold(report.mu);
        (ok ? report.ops : report.failed)++;
      }
    });
  for (auto& t : all) t.join();
  if (report.failed * 20 > report.ops) fail("connections");
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  for (int i = 2; i < argc; i++) {
    const char* eq = strchr(argv[i], '=');
    if (eq != nullptr) job[std::string(argv[i], size_t(eq - argv[i]))] = eq + 1;
  }
  bool server = argc > 1 && strcmp(argv[1], "server") == 0;
  for (const char* name : {"interval", "size", "verify", "bytes", "sendbuffer", "recvbuffer"}) job[name];  // threads only read
  alarm(unsigned(real("timeout")) + 1);
  UDT::startup();
  std::thread(watchInput, server).detach();
  const std::string& work = job["work"];
  bool bulk = work.rfind("bulk", 0) == 0 || work == "write4k";
  bool setup = work.rfind("setup", 0) == 0;
  if (server) {
    UDTSOCKET l = listenHere();
    bulk ? bulkServe(l) : setup ? setupServe(l) : exchangeServe(l);
  } else {
    bulk ? bulkDial() : setup ? setupDial() : exchangeDial();
  }
  finish();
  for (;;) pause();
}
