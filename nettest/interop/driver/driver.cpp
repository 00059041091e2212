// driver is one side of a UDT conversation held by the reference C++ library,
// libudt 4.11, through its public API only. The Go package above builds it,
// starts it and reads its events: one line each on standard output.
//
//   LISTEN port            listening; connections are answered from now on
//   BOUND port             bound, before a rendezvous
//   CONNECTED port         connected or accepted, on this local port; 0 if the peer has closed since
//   SENT bytes crc32       everything was handed to the library
//   RECV bytes crc32       everything wanted, or everything there was, has been read
//   MSG bytes crc32        one message was read
//   CONN i bytes crc32     one of many connections has done its part
//   TOOK bytes us          this much was received in this time, counted from the connection on
//   DONE good bad          all of the many connections have ended
//   EOF code               reading ended with this error: 2001 after a shutdown
//   STATS name=value ...   the library's counters, as last read while connected
//   CLOSED                 UDT::close has returned
//   ERROR code text        something failed; the program ends with status 1
//
// Every option takes a value: "-port 9000". See the table in main.

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <udt/udt.h>

namespace {

std::map<std::string, std::string> options;

long long number(const char* name) { return atoll(options[name].c_str()); }
bool messages() { return options["type"] == "msg"; }

std::mutex output;

void event(const char* format, ...) {
  std::lock_guard<std::mutex> hold(output);
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
  fflush(stdout);
}

// UDT::cleanup is not called: it waits seconds for closed sockets to be
// collected, while UDT::close has already lingered and sent the shutdown.
[[noreturn]] void finish(int status) { _exit(status); }

void report(const char* what) {
  std::string text = UDT::getlasterror().getErrorMessage();
  for (char& c : text)
    if (c == '\n') c = ' ';
  event("ERROR %d %s: %s", UDT::getlasterror().getErrorCode(), what, text.c_str());
}

[[noreturn]] void fail(const char* what) {
  report(what);
  finish(1);
}

void check(int result, const char* what) {
  if (result == UDT::ERROR) fail(what);
}

// Pattern is the test data: the SplitMix64 sequence of a seed, as
// little-endian words. The Go side has the same generator.
class Pattern {
 public:
  explicit Pattern(uint64_t seed) : state_(seed) {}

  void fill(char* p, size_t n) {
    while (n > 0) {
      if (left_ == 0) {
        next();
        if (n >= 8) {
          memcpy(p, word_, 8);
          p += 8, n -= 8, left_ = 0;
          continue;
        }
      }
      *p++ = word_[8 - left_--];
      n--;
    }
  }

 private:
  void next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    for (char& c : word_) c = char(z), z >>= 8;
    left_ = 8;
  }

  uint64_t state_;
  char word_[8];
  int left_ = 0;
};

// Sum is CRC-32 as in IEEE 802.3.
class Sum {
 public:
  Sum() {
    for (uint32_t i = 0; i < 256; i++) {
      table_[i] = i;
      for (int bit = 0; bit < 8; bit++) table_[i] = (table_[i] >> 1) ^ (table_[i] & 1 ? 0xedb88320 : 0);
    }
  }
  void add(const char* p, size_t n) {
    bytes += n;
    for (; n > 0; n--) crc_ = table_[(crc_ ^ uint8_t(*p++)) & 0xff] ^ (crc_ >> 8);
  }
  uint32_t crc() const { return ~crc_; }

  long long bytes = 0;

 private:
  uint32_t table_[256];
  uint32_t crc_ = 0xffffffff;
};

// Meter keeps the counters of a socket: the library gives none once the
// connection is broken, as it is when the peer has closed.
class Meter {
 public:
  void sample(UDTSOCKET u) {
    UDT::TRACEINFO now;
    if (UDT::perfmon(u, &now, false) == UDT::ERROR) return;
    std::lock_guard<std::mutex> hold(lock_);
    last_ = now;
  }
  void print() {
    std::lock_guard<std::mutex> hold(lock_);
    event("STATS sent=%lld received=%lld sndloss=%d rcvloss=%d retransmitted=%d acksent=%d ackreceived=%d "
          "naksent=%d nakreceived=%d rtt_ms=%.3f bandwidth_mbps=%.1f period_us=%.3f window=%d congestion=%d",
          (long long)last_.pktSentTotal, (long long)last_.pktRecvTotal, last_.pktSndLossTotal, last_.pktRcvLossTotal,
          last_.pktRetransTotal, last_.pktSentACKTotal, last_.pktRecvACKTotal, last_.pktSentNAKTotal,
          last_.pktRecvNAKTotal, last_.msRTT, last_.mbpsBandwidth, last_.usPktSndPeriod, last_.pktFlowWindow,
          last_.pktCongestionWindow);
  }

 private:
  std::mutex lock_;
  UDT::TRACEINFO last_ = UDT::TRACEINFO();
};

// Address is a numeric host and a port of either family.
struct Address {
  sockaddr_storage storage;
  int length;

  Address(const std::string& host, int port) {
    addrinfo hints = addrinfo(), *found;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_DGRAM;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
      event("ERROR -1 bad address %s", host.c_str());
      finish(2);
    }
    memcpy(&storage, found->ai_addr, found->ai_addrlen);
    length = int(found->ai_addrlen);
    freeaddrinfo(found);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return get()->sa_family; }
};

// localPort is 0 if the library does not say, as when the peer has closed.
int localPort(UDTSOCKET u) {
  sockaddr_in6 a;  // the port is at the same place in both families
  int length = sizeof a;
  if (UDT::getsockname(u, reinterpret_cast<sockaddr*>(&a), &length) == UDT::ERROR) return 0;
  return ntohs(a.sin6_port);
}

void setOption(UDTSOCKET u, UDT::SOCKOPT option, const char* name) {
  if (options[name].empty()) return;
  int value = int(number(name));
  check(UDT::setsockopt(u, 0, option, &value, sizeof value), name);
}

UDTSOCKET newSocket() {
  int family = Address(options["host"], 0).family();
  UDTSOCKET u = UDT::socket(family, messages() ? SOCK_DGRAM : SOCK_STREAM, 0);
  check(u, "socket");
  setOption(u, UDT_MSS, "mss");
  setOption(u, UDT_FC, "fc");
  setOption(u, UDT_SNDBUF, "sndbuf");
  setOption(u, UDT_RCVBUF, "rcvbuf");
  setOption(u, UDP_SNDBUF, "udpsndbuf");
  setOption(u, UDP_RCVBUF, "udprcvbuf");
  if (!options["maxbw"].empty()) {
    int64_t rate = number("maxbw");
    check(UDT::setsockopt(u, 0, UDT_MAXBW, &rate, sizeof rate), "maxbw");
  }
  linger wait = {1, int(number("linger"))};
  check(UDT::setsockopt(u, 0, UDT_LINGER, &wait, sizeof wait), "linger");
  return u;
}

void bindTo(UDTSOCKET u, int port) {
  Address local(options["host"], port);
  check(UDT::bind(u, local.get(), local.length), "bind");
}

// remotePort is the option, or a line of standard input for a peer that knew
// its own port only after this program had told its.
int remotePort() {
  if (options["port"] != "stdin") return int(number("port"));
  int port = 0;
  if (scanf("%d", &port) != 1) finish(2);
  return port;
}

void connectTo(UDTSOCKET u, int port) {
  Address remote(options["host"], port);
  check(UDT::connect(u, remote.get(), remote.length), "connect");
}

UDTSOCKET listenOn() {
  UDTSOCKET u = newSocket();
  bindTo(u, int(number("lport")));
  check(UDT::listen(u, int(number("backlog"))), "listen");
  event("LISTEN %d", localPort(u));
  return u;
}

UDTSOCKET acceptFrom(UDTSOCKET listener) {
  sockaddr_storage peer;
  int length = sizeof peer;
  UDTSOCKET u = UDT::accept(listener, reinterpret_cast<sockaddr*>(&peer), &length);
  check(u, "accept");
  return u;
}

// connection plays the role that the options ask for.
UDTSOCKET connection() {
  const std::string role = options["role"];
  UDTSOCKET u;
  if (role == "listen") {
    u = acceptFrom(listenOn());
  } else {
    u = newSocket();
    bool rendezvous = role == "rendezvous";
    check(UDT::setsockopt(u, 0, UDT_RENDEZVOUS, &rendezvous, sizeof rendezvous), "rendezvous");
    if (rendezvous) {
      bindTo(u, int(number("lport")));
      event("BOUND %d", localPort(u));
    }
    connectTo(u, remotePort());
  }
  event("CONNECTED %d", localPort(u));
  return u;
}

bool sendAll(UDTSOCKET u, const char* p, size_t n) {
  while (n > 0) {
    int sent = UDT::send(u, p, int(n), 0);
    if (sent == UDT::ERROR) return false;
    p += sent, n -= sent;
  }
  return true;
}

bool sendPattern(UDTSOCKET u, Meter& meter) {
  Pattern pattern(number("seed"));
  Sum sum;
  std::vector<char> buffer(1 << 16);
  for (long long left = number("bytes"); left > 0;) {
    size_t n = size_t(std::min<long long>(left, buffer.size()));
    pattern.fill(buffer.data(), n);
    if (!sendAll(u, buffer.data(), n)) {
      report("send");
      return false;
    }
    sum.add(buffer.data(), n);
    left -= n;
    meter.sample(u);
  }
  event("SENT %lld %08x", sum.bytes, sum.crc());
  return true;
}

// receive reads as many bytes as wanted, or without end if that is 0, and
// says how reading ended if the peer ended it. It echoes if asked to.
void receive(UDTSOCKET u, long long wanted, Meter& meter, bool echo = false) {
  Sum sum;
  std::vector<char> buffer(1 << 18);
  while (wanted == 0 || sum.bytes < wanted) {
    size_t room = buffer.size();
    if (wanted > 0) room = size_t(std::min<long long>(room, wanted - sum.bytes));
    int n = UDT::recv(u, buffer.data(), int(room), 0);
    if (n == UDT::ERROR) {
      event("EOF %d", UDT::getlasterror().getErrorCode());
      break;
    }
    sum.add(buffer.data(), n);
    if (echo && !sendAll(u, buffer.data(), n)) {
      report("send");
      break;
    }
    meter.sample(u);
  }
  event("RECV %lld %08x", sum.bytes, sum.crc());
}

std::vector<int> messageSizes() {
  std::vector<int> sizes;
  for (const char* p = options["sizes"].c_str(); *p != 0;) {
    char* end;
    sizes.push_back(int(strtol(p, &end, 10)));
    p = *end == ',' ? end + 1 : end;
    if (end == p) break;
  }
  return sizes;
}

// sendMessages sends each of the sizes in turn, count times over. The i-th
// message holds the pattern of seed + i.
void sendMessages(UDTSOCKET u, Meter& meter) {
  long long sent = 0;
  Sum sum;
  std::vector<char> buffer;
  for (long long round = 0; round < number("count"); round++)
    for (int size : messageSizes()) {
      buffer.resize(size);
      Pattern(number("seed") + sent++).fill(buffer.data(), buffer.size());
      sum.add(buffer.data(), buffer.size());
      check(UDT::sendmsg(u, buffer.data(), size, int(number("ttl")), number("ordered") != 0), "sendmsg");
      meter.sample(u);
    }
  event("SENT %lld %08x", sum.bytes, sum.crc());
}

// receiveMessages reads as many messages as wanted, or until the peer closes.
void receiveMessages(UDTSOCKET u, long long wanted, Meter& meter, bool echo = false) {
  std::vector<char> buffer(12 << 20);  // as large as a message can be
  for (long long got = 0; wanted == 0 || got < wanted; got++) {
    int n = UDT::recvmsg(u, buffer.data(), int(buffer.size()));
    if (n == UDT::ERROR) {
      event("EOF %d", UDT::getlasterror().getErrorCode());
      return;
    }
    Sum sum;
    sum.add(buffer.data(), n);
    event("MSG %d %08x", n, sum.crc());
    if (echo) check(UDT::sendmsg(u, buffer.data(), n, int(number("ttl")), number("ordered") != 0), "sendmsg");
    meter.sample(u);
  }
}

// blast and drain transfer bytes that nobody looks at, for measurements.
void blast(UDTSOCKET u) {
  std::vector<char> buffer(1 << 16);
  for (long long left = number("bytes"); left > 0;) {
    size_t n = size_t(std::min<long long>(left, buffer.size()));
    if (!sendAll(u, buffer.data(), n)) fail("send");
    left -= n;
  }
}

void drain(UDTSOCKET u) {
  auto start = std::chrono::steady_clock::now();
  std::vector<char> buffer(1 << 18);
  long long got = 0;
  while (got < number("bytes")) {
    int n = UDT::recv(u, buffer.data(), int(buffer.size()), 0);
    if (n == UDT::ERROR) fail("recv");
    got += n;
  }
  std::chrono::microseconds took =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  event("TOOK %lld %lld", got, (long long)took.count());
}

// sendFile and receiveFile use the library's own file calls. Nothing on the
// wire says how long the file is: both sides are told.
void sendFile(UDTSOCKET u, Meter& meter) {
  std::fstream file(options["file"].c_str(), std::ios::in | std::ios::binary);
  int64_t offset = 0, sent = UDT::sendfile(u, file, offset, number("bytes"));
  if (sent == UDT::ERROR) fail("sendfile");
  meter.sample(u);
  event("SENT %lld 00000000", (long long)sent);
}

void receiveFile(UDTSOCKET u, Meter& meter) {
  std::fstream file(options["file"].c_str(), std::ios::out | std::ios::binary | std::ios::trunc);
  int64_t offset = 0, got = UDT::recvfile(u, file, offset, number("bytes"));
  if (got == UDT::ERROR) fail("recvfile");
  file.close();
  meter.sample(u);
  event("RECV %lld 00000000", (long long)got);
}

// flush waits until the peer has acknowledged everything.
void flush(UDTSOCKET u) {
  for (;;) {
    int packets = 0, length = sizeof packets;
    if (UDT::getsockopt(u, 0, UDT_SNDDATA, &packets, &length) == UDT::ERROR) return;
    if (packets == 0 || UDT::getsockstate(u) != CONNECTED) return;
    usleep(1000);
  }
}

// Crowd counts connections that are meant to exist all at once.
class Crowd {
 public:
  explicit Crowd(int size) : missing_(size) {}
  void arriveAndWait() {
    std::unique_lock<std::mutex> hold(lock_);
    if (--missing_ == 0) all_.notify_all();
    all_.wait(hold, [this] { return missing_ <= 0; });
  }
  void ended(bool well) {
    std::lock_guard<std::mutex> hold(lock_);
    (well ? good : bad)++;
  }

  int good = 0, bad = 0;

 private:
  std::mutex lock_;
  std::condition_variable all_;
  int missing_;
};

// Turns lets a few threads at a time through.
class Turns {
 public:
  explicit Turns(int free) : free_(free) {}
  void take() {
    std::unique_lock<std::mutex> hold(lock_);
    given_.wait(hold, [this] { return free_ > 0; });
    free_--;
  }
  void give() {
    std::lock_guard<std::mutex> hold(lock_);
    free_++;
    given_.notify_one();
  }

 private:
  std::mutex lock_;
  std::condition_variable given_;
  int free_;
};

// manyAccept echoes count connections, each until its peer closes it.
void manyAccept() {
  UDTSOCKET listener = listenOn();
  int count = int(number("count"));
  Crowd crowd(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) {
    UDTSOCKET u = acceptFrom(listener);
    threads.emplace_back([u, i, &crowd] {
      Sum sum;
      std::vector<char> buffer(1 << 14);
      for (;;) {
        int n = UDT::recv(u, buffer.data(), int(buffer.size()), 0);
        if (n == UDT::ERROR) break;
        sum.add(buffer.data(), n);
        if (!sendAll(u, buffer.data(), n)) break;
      }
      UDT::close(u);
      event("CONN %d %lld %08x", i, sum.bytes, sum.crc());
      crowd.ended(true);
    });
  }
  for (std::thread& t : threads) t.join();
  event("DONE %d %d", crowd.good, crowd.bad);
}

// manySocket returns a socket for one of many connections, bound to a local
// port unless that is negative.
UDTSOCKET manySocket(int local) {
  UDTSOCKET u = newSocket();
  if (local >= 0) bindTo(u, local);
  return u;
}

// manyConnect opens count connections, from one local port if share is set,
// waits until all are open, sends the pattern of seed + i on the i-th and
// reads it back. Only some connect at a time, and try again if it takes too
// long: the library gives each three seconds, whatever else the machine does,
// and wakes just one of the connecting threads of a port for each response,
// often the wrong one.
void manyConnect() {
  int count = int(number("count")), port = remotePort();
  int local = number("share") != 0 ? 0 : -1;
  Crowd crowd(count);
  Turns turns(20);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; i++) {
    UDTSOCKET first = manySocket(local);
    if (local == 0) local = localPort(first);
    threads.emplace_back([first, i, port, local, &crowd, &turns] {
      UDTSOCKET u = first;
      Address remote(options["host"], port);
      turns.take();
      bool open = UDT::connect(u, remote.get(), remote.length) != UDT::ERROR;
      for (int tries = 2; !open && tries > 0 && UDT::getlasterror().getErrorCode() == UDT::ERRORINFO::ENOSERVER; tries--) {
        UDTSOCKET again = manySocket(local);  // a socket dials once
        UDT::close(u);
        u = again;
        open = UDT::connect(u, remote.get(), remote.length) != UDT::ERROR;
      }
      if (!open) report("connect");
      turns.give();
      crowd.arriveAndWait();
      std::vector<char> out(number("bytes")), in(out.size());
      Pattern(number("seed") + i).fill(out.data(), out.size());
      bool good = open && sendAll(u, out.data(), out.size());
      size_t got = 0;
      while (good && got < in.size()) {
        int n = UDT::recv(u, in.data() + got, int(in.size() - got), 0);
        if (n == UDT::ERROR) {
          report("recv");
          good = false;
        } else {
          got += n;
        }
      }
      UDT::close(u);
      Sum sum;
      sum.add(in.data(), got);
      event("CONN %d %lld %08x", i, sum.bytes, sum.crc());
      crowd.ended(good && in == out);
    });
  }
  for (std::thread& t : threads) t.join();
  event("DONE %d %d", crowd.good, crowd.bad);
}

// converse does what the command says on one connection.
void converse(const std::string& command, UDTSOCKET u, Meter& meter) {
  usleep(useconds_t(number("delay") * 1000));
  long long wanted = messages() ? number("count") : number("bytes");
  if (command == "connect") {
    return;
  } else if (command == "send") {
    messages() ? sendMessages(u, meter) : (void)sendPattern(u, meter);
  } else if (command == "recv") {
    messages() ? receiveMessages(u, wanted, meter) : receive(u, wanted, meter);
  } else if (command == "echo") {
    messages() ? receiveMessages(u, wanted, meter, true) : receive(u, wanted, meter, true);
  } else if (command == "both") {
    std::thread sender([u, &meter] { sendPattern(u, meter); });
    receive(u, number("bytes"), meter);
    sender.join();
  } else if (command == "blast") {
    blast(u);
  } else if (command == "drain") {
    drain(u);
  } else if (command == "sendfile") {
    sendFile(u, meter);
  } else if (command == "recvfile") {
    receiveFile(u, meter);
  } else {
    event("ERROR -1 unknown command %s", command.c_str());
    finish(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  options = {
      {"role", "dial"},       // listen, dial or rendezvous
      {"host", "127.0.0.1"},  // numeric: the peer's, and the one bound
      {"port", "0"},          // the peer's, or "stdin"
      {"lport", "0"},         // to bind; 0 chooses one
      {"type", "stream"},     // stream or msg
      {"bytes", "0"},         // how much to send, or to receive before closing; 0 receives until the peer closes
      {"count", "0"},         // messages to receive, rounds of sizes to send, or connections
      {"sizes", ""},          // of messages, comma separated
      {"seed", "1"},          // of the pattern
      {"ordered", "1"},       // whether messages are
      {"ttl", "-1"},          // of messages, ms; -1 is for ever
      {"file", ""},           // for sendfile and recvfile
      {"share", "0"},         // one local port for all connections of manyconnect
      {"flush", "0"},         // wait for the acknowledgements before the counters are read
      {"delay", "0"},         // ms between connecting and doing anything
      {"hold", "0"},          // wait for a word on standard input before closing
      {"linger", "30"},       // s that close waits for acknowledgements
      {"backlog", "256"},     // connections not yet accepted
      {"timeout", "60"},      // s until the program ends whatever it does, with status 3
      {"mss", ""},       {"fc", ""},        {"sndbuf", ""}, {"rcvbuf", ""},
      {"udpsndbuf", ""}, {"udprcvbuf", ""}, {"maxbw", ""},
  };
  for (int i = 2; i + 1 < argc; i += 2) {
    auto option = options.find(argv[i] + (argv[i][0] == '-'));
    if (option == options.end()) {
      event("ERROR -1 unknown option %s", argv[i]);
      finish(2);
    }
    option->second = argv[i + 1];
  }
  if (argc < 2 || argc % 2 != 0) {
    event("ERROR -1 usage: driver command [-option value]...");
    finish(2);
  }
  std::thread([] {
    sleep(unsigned(number("timeout")));
    event("ERROR -1 out of time");
    finish(3);
  }).detach();

  const std::string command = argv[1];
  UDT::startup();
  if (command == "manyaccept") {
    manyAccept();
  } else if (command == "manyconnect") {
    manyConnect();
  } else if (command == "park") {  // listen and accept nothing
    listenOn();
    for (;;) pause();
  } else {
    Meter meter;
    UDTSOCKET u = connection();
    converse(command, u, meter);
    if (number("flush") != 0) {
      flush(u);
      meter.sample(u);
    }
    meter.print();
    if (number("hold") != 0 && scanf("%*s") == EOF) finish(2);
    UDT::close(u);
    event("CLOSED");
  }
  finish(0);
}
