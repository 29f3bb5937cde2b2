// SPDX-License-Identifier: BSL-1.0
// Clients that keep their connections: each asks, waits for the answer, and asks again, from when it is connected; what is measured begins 3 s after all are.
// Who is not answered counts with the time it has waited.
//   keep_alive_load PORT CONNECTIONS SECONDS [PATH]
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct client {
    int fd{-1};
    bool connected{};
    std::size_t answers{};
    std::string got{};
    clock_type::time_point asked{};
};

class load {
public:
    load(int port, std::size_t n, std::string path) : port_(port), request_("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"), clients_(n) {}

    void connect_all() {
        auto begin = clock_type::now();
        // A few at a time: a listener's queue may be short.
        std::size_t next = 0;
        while (open_ < clients_.size()) {
            while (next < clients_.size() && next - open_ < 64) connect(next++);
            each_event(1000, [&](client& c, unsigned events) { handle(c, events); });
        }
        connecting_ = clock_type::now() - begin;
    }

    /// Asks and answers.
    void exchange(std::chrono::seconds time) {
        auto end = clock_type::now() + time;
        while (clock_type::now() < end) each_event(100, [&](client& c, unsigned events) { handle(c, events); });
    }

    void measure(std::chrono::seconds time) {
        took_.clear();
        for (auto& c : clients_) c.answers = 0;
        exchange(time);
        for (auto& c : clients_) took_.push_back(clock_type::now() - c.asked);
        report(time);
    }

private:
    [[noreturn]] static void give_up(char const* what) { std::perror(what); std::exit(1); }

    void handle(client& c, unsigned events) {
        if (c.connected) {
            if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
            return;
        }
        finish_connect(c);
        if (c.asked != clock_type::time_point{}) { send(c); return; }  // again, on a new connection
        ++open_;
        ask(c, clock_type::now());
    }

    void connect(std::size_t i) {
        client& c = clients_[i];
        c.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c.fd < 0) give_up("keep_alive_load: socket");
        int on = 1;
        ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port_));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) give_up("keep_alive_load: connect");
        c.connected = false;
        epoll_event e{};
        e.events = EPOLLOUT;
        e.data.u64 = i;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &e) != 0) give_up("keep_alive_load: epoll_ctl");
    }
    void finish_connect(client& c) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) { errno = error; give_up("keep_alive_load: connect"); }
        c.connected = true;
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.u64 = static_cast<std::uint64_t>(&c - clients_.data());
        if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &e) != 0) give_up("keep_alive_load: epoll_ctl");
    }
    void ask(client& c, clock_type::time_point now) {
        c.asked = now;
        c.got.clear();
        send(c);
    }
    void send(client& c) { if (::send(c.fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) give_up("keep_alive_load: send"); }
    void receive(client& c) {
        char buffer[4096];
        ssize_t n = ::recv(c.fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {  // the server keeps no connection for ever: the same request, on a new one
            ::close(c.fd);
            c.got.clear();
            ++reconnects_;
            connect(static_cast<std::size_t>(&c - clients_.data()));
            return;
        }
        c.got.append(buffer, static_cast<std::size_t>(n));
        if (!complete(c.got)) return;
        auto now = clock_type::now();
        took_.push_back(now - c.asked);
        ++c.answers;
        if (c.got.compare(0, 12, "HTTP/1.1 200") != 0) ++errors_;
        ask(c, now);
    }
    static bool complete(std::string const& got) {
        std::size_t end = got.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        std::size_t at = got.find("Content-Length: ");
        return at != std::string::npos && got.size() >= end + 4 + std::stoul(got.substr(at + 16));
    }
    template <class F>
    void each_event(int milliseconds, F f) {
        int n = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds);
        for (int k = 0; k < n; ++k) f(clients_[events_[static_cast<std::size_t>(k)].data.u64], events_[static_cast<std::size_t>(k)].events);
    }
    void report(std::chrono::seconds time) {
        std::sort(took_.begin(), took_.end());
        auto ms = [&](double q) { return std::chrono::duration<double, std::milli>(took_[static_cast<std::size_t>(q * static_cast<double>(took_.size() - 1))]).count(); };
        std::size_t answers = took_.size() - clients_.size();
        auto served = std::count_if(clients_.begin(), clients_.end(), [](client const& c) { return c.answers > 0; });
        std::printf("%9.0f requests/s  p50 %8.1f ms  p99 %8.1f ms  served %td of %zu connections  errors %zu  reconnects %zu  (connecting took %.1f s)\n",
                    static_cast<double>(answers) / static_cast<double>(time.count()), ms(0.5), ms(0.99), served, clients_.size(), errors_, reconnects_, std::chrono::duration<double>(connecting_).count());
    }

    int port_;
    std::string request_;
    std::vector<client> clients_;
    std::size_t open_{};
    clock_type::duration connecting_{};
    int epoll_{::epoll_create1(EPOLL_CLOEXEC)};
    std::vector<epoll_event> events_{1024};
    std::vector<clock_type::duration> took_{};
    std::size_t errors_{}, reconnects_{};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("usage: keep_alive_load PORT CONNECTIONS SECONDS [PATH]\n", stderr);
        return 2;
    }
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    load l(std::atoi(argv[1]), static_cast<std::size_t>(std::atol(argv[2])), argc > 4 ? argv[4] : "/");
    l.connect_all();
    l.exchange(std::chrono::seconds(3));
    l.measure(std::chrono::seconds(std::atol(argv[3])));
}
