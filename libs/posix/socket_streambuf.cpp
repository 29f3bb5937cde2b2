// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/socket_streambuf.hpp>

#include <weft/core/cancelled.hpp>
#include <weft/core/errors.hpp>
#include <weft/posix/calls.hpp>

#include "posix/waits.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

socket_streambuf::socket_streambuf(fd owned, int lent, std::size_t buffer) : owned_(std::move(owned)), lent_(lent), in_(std::max<std::size_t>(buffer, 1)), out_(in_.size()) {
    setg(in_.data(), in_.data(), in_.data());
    setp(out_.data(), out_.data() + out_.size());
}

socket_streambuf::~socket_streambuf() {
    while (pptr() > pbase()) {
        ssize_t n = detail::libc.send(get(), pbase(), static_cast<std::size_t>(pptr() - pbase()), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) break;
        sent(static_cast<std::size_t>(n));
    }
    lent_.release();
}

// The stream swallows what it is thrown. Of `cancelled` it would tell nobody, so that is made an error like the others.
template <class F>
std::size_t socket_streambuf::with_error(F f) {
    try {
        return f();
    } catch (cancelled const&) {
        error_ = std::error_code(ECANCELED, std::system_category());
    } catch (std::system_error const& e) {
        error_ = e.code();
        throw;
    } catch (deadlock_error const&) {
        error_ = std::error_code(EDEADLK, std::system_category());
        throw;
    } catch (std::exception const&) {  // called where it must not be
        error_ = std::error_code(EPERM, std::system_category());
        throw;
    }
    detail::told_as_error();
    throw std::system_error(error_, "weft::socket_streambuf");
}

void socket_streambuf::sent(std::size_t bytes) noexcept {
    char* end = pptr();
    setp(pbase() + bytes, epptr());
    pbump(static_cast<int>(end - pbase()));
}

void socket_streambuf::send_all() {
    while (pptr() > pbase()) sent(with_error([&] { return socket().write_some(pbase(), static_cast<std::size_t>(pptr() - pbase())); }));
    setp(out_.data(), out_.data() + out_.size());
}

socket_streambuf::int_type socket_streambuf::underflow() {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    send_all();
    std::size_t n = with_error([&] { return socket().read_some(in_.data(), in_.size()); });
    setg(in_.data(), in_.data(), in_.data() + n);
    return n > 0 ? traits_type::to_int_type(*gptr()) : traits_type::eof();
}

socket_streambuf::int_type socket_streambuf::overflow(int_type c) {
    send_all();
    if (!traits_type::eq_int_type(c, traits_type::eof())) {
        *pptr() = traits_type::to_char_type(c);
        pbump(1);
    }
    return traits_type::not_eof(c);
}

int socket_streambuf::sync() {
    send_all();
    return 0;
}

}  // namespace weft
