// SPDX-License-Identifier: BSL-1.0
// Descriptors for the tests of the posix room, closed at the end.
#ifndef WEFT_TEST_POSIX_PAIRS_HPP
#define WEFT_TEST_POSIX_PAIRS_HPP

#include "fixture.hpp"

#include <weft/posix.hpp>

#include <array>
#include <fcntl.h>
#include <netinet/in.h>
#include <string>
#include <system_error>

namespace weft_test {

/// One descriptor, which libc's calls take as it is.
struct owned_fd : weft::fd {
    explicit owned_fd(int descriptor) : weft::fd(descriptor) { if (descriptor < 0) throw std::system_error(errno, std::system_category(), "a descriptor for the test"); }
    operator int() const noexcept { return get(); }
    void close() { reset(); }
};

/// Two ends: of a socket pair, both ways; of a pipe, from b to a.
struct ends {
    owned_fd a, b;
    static ends sockets(int type = SOCK_STREAM) {
        int fd[2];
        if (::socketpair(AF_UNIX, type, 0, fd) != 0) throw std::system_error(errno, std::system_category(), "socketpair");
        return {owned_fd(fd[0]), owned_fd(fd[1])};
    }
    static ends pipe() {
        int fd[2];
        if (::pipe(fd) != 0) throw std::system_error(errno, std::system_category(), "pipe");
        return {owned_fd(fd[0]), owned_fd(fd[1])};
    }
};

inline sockaddr_in loopback(in_port_t port = 0) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = port;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}
template <class A> sockaddr* raw(A& a) { return reinterpret_cast<sockaddr*>(&a); }

inline owned_fd listener() {
    owned_fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in a = loopback();
    BOOST_TEST_REQUIRE(::bind(fd, raw(a), sizeof a) == 0);
    BOOST_TEST_REQUIRE(::listen(fd, 64) == 0);
    return fd;
}
inline sockaddr_in address_of(int fd) {
    sockaddr_in a{};
    socklen_t n = sizeof a;
    BOOST_TEST_REQUIRE(::getsockname(fd, raw(a), &n) == 0);
    return a;
}

inline void set_timeout(int fd, int option, int milliseconds) {
    timeval t{milliseconds / 1000, milliseconds % 1000 * 1000};
    BOOST_TEST_REQUIRE(::setsockopt(fd, SOL_SOCKET, option, &t, sizeof t) == 0);
}
/// Until a write would wait.
inline std::size_t fill(int fd) {
    int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    std::array<char, 4096> block{};
    std::size_t all = 0;
    for (ssize_t n; (n = ::write(fd, block.data(), block.size())) > 0;) all += static_cast<std::size_t>(n);
    ::fcntl(fd, F_SETFL, flags);
    return all;
}

}  // namespace weft_test

#endif
