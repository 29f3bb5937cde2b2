// SPDX-License-Identifier: BSL-1.0
#include "load.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t warm_up = 50;  // exchanges of each connection
constexpr std::size_t most = 64 * 1024;

[[noreturn]] void give_up(char const* what) {
    std::perror(what);
    ::_exit(1);
}

class generator {
public:
    generator(int port, std::size_t connections, exchange const& what) : what_(what), missing_(connections), sockets_(connections) {
        for (int& s : sockets_) s = connect_to(port);
        for (std::size_t i = 0; i < sockets_.size(); ++i) {
            epoll_event e{};
            e.events = EPOLLIN;
            e.data.u64 = i;
            if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, sockets_[i], &e) != 0) give_up("load: epoll_ctl");
        }
        if (what_.answer == 0) learn_answer();
    }

    void run(std::size_t messages) {
        std::size_t sent = 0, done = 0;
        for (std::size_t i = 0; i < sockets_.size() && sent < messages; ++i, ++sent) send(i);
        std::vector<epoll_event> events(sockets_.size());
        while (done < messages) {
            int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            if (n < 0 && errno != EINTR) give_up("load: epoll_wait");
            for (int k = 0; k < n; ++k) {
                std::size_t i = events[static_cast<std::size_t>(k)].data.u64;
                if (!receive(i)) continue;
                ++done;
                if (sent < messages) { send(i); ++sent; }
            }
        }
    }

private:
    static int connect_to(int port) {
        int s = ::socket(AF_INET, SOCK_STREAM, 0), on = 1;
        ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(static_cast<std::uint16_t>(port));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) give_up("load: connect");
        return s;
    }
    void send(std::size_t i) {
        if (::send(sockets_[i], what_.request.data(), what_.request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(what_.request.size())) give_up("load: send");
        missing_[i] = what_.answer;
    }
    bool receive(std::size_t i) {
        char buffer[most];
        ssize_t n = ::recv(sockets_[i], buffer, sizeof buffer, 0);
        if (n <= 0 || static_cast<std::size_t>(n) > missing_[i]) give_up("load: the server closed a connection or answered too much");
        return (missing_[i] -= static_cast<std::size_t>(n)) == 0;
    }
    void learn_answer() {
        what_.answer = most;
        send(0);
        std::string text;
        for (;;) {
            char buffer[4096];
            ssize_t n = ::recv(sockets_[0], buffer, sizeof buffer, 0);
            if (n <= 0) give_up("load: no answer");
            text.append(buffer, static_cast<std::size_t>(n));
            std::size_t head = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
            if (head == std::string::npos || length == std::string::npos) continue;
            what_.answer = head + 4 + std::strtoul(text.c_str() + length + 16, nullptr, 10);
            if (text.size() >= what_.answer) return;
        }
    }

    exchange what_;
    std::vector<std::size_t> missing_;
    std::vector<int> sockets_;
    int epoll_{::epoll_create1(0)};
};

}  // namespace

void stay_on_processor(int n) {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2) return;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (!CPU_ISSET(i, &set) || n-- > 0) continue;
        CPU_ZERO(&set);
        CPU_SET(i, &set);
        ::sched_setaffinity(0, sizeof set, &set);
        return;
    }
}

load::load(int port, std::size_t connections, exchange const& what) {
    int down[2], up[2];
    if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("load: pipe");
    process_ = ::fork();
    if (process_ < 0) throw std::runtime_error("load: fork");
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        stay_on_processor(1);
        ::close(down[1]);
        ::close(up[0]);
        generator g(port, connections, what);
        for (std::size_t n = warm_up * connections;;) {
            g.run(n);
            char done = 'd';
            if (::write(up[1], &done, 1) != 1 || ::read(down[0], &n, sizeof n) != sizeof n) ::_exit(0);
        }
    }
    ::close(down[0]);
    ::close(up[1]);
    to_ = down[1];
    from_ = up[0];
    char done;
    if (::read(from_, &done, 1) != 1) throw std::runtime_error("load: could not connect to the server");
}

load::~load() {
    ::close(to_);
    ::close(from_);
    ::kill(process_, SIGKILL);  // a load that was forked later holds the other end of its pipe, too
    ::waitpid(process_, nullptr, 0);
}

void load::run(std::size_t messages) {
    char done;
    if (::write(to_, &messages, sizeof messages) != sizeof messages || ::read(from_, &done, 1) != 1) throw std::runtime_error("load: it ended early");
}
