// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_ACCOUNTS_HPP
#define PROXY_ACCOUNTS_HPP

#include <cstddef>
#include <cstdint>
#include <iosfwd>

namespace proxy {

class backends;

/// One more of something while it lives.
class counted {
public:
    explicit counted(std::size_t& n) : n_(n) { ++n_; }
    counted(counted const&) = delete;
    ~counted() { --n_; }

private:
    std::size_t& n_;
};

/// What the proxy did. Every connection that was accepted is open or in one of the endings.
struct accounts {
    std::uint64_t accepted{};
    std::size_t open{}, most_open{};
    std::size_t relaying{};            ///< of the open ones: those that have their backend
    std::size_t without_descriptor{};  ///< of the open ones: those that wait for a descriptor to connect with

    std::uint64_t in_order{};  ///< both directions ended with a FIN
    std::uint64_t reset{};     ///< one side reset it, or was lost; the other was reset too
    std::uint64_t idle{};      ///< reset by the proxy, as nothing moved
    std::uint64_t cut{};       ///< reset by the proxy at its own end
    std::uint64_t unserved{};  ///< reset by the proxy, as no backend was to be had
    std::uint64_t failed{};    ///< reset by the proxy after an error of its own, such as too little memory

    std::uint64_t bytes_up{}, bytes_down{};  ///< to the backend, to the client
};

void print(std::ostream& os, accounts const& a, backends const& b);

}  // namespace proxy

#endif
