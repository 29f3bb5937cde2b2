// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_HTTP_HPP
#define BOARD_HTTP_HPP

#include <weft/asio.hpp>
#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>

namespace board {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

/// How an operation of Asio's with a deadline ended, whose error is in an error_code: the deadline's "operation aborted" is none of the
/// peer's, and a cancellation from outside is raised.
enum class outcome { done, error, late };

/// Runs f(ec), an operation with use_fiber[ec], for at most `time`.
template <class F>
outcome within(std::chrono::milliseconds time, error_code& ec, F&& f) {
    bool ended = weft::move_on_after(time, [&] {
        f(ec);
        if (ec) weft::check_cancelled();  // the [ec] form leaves the raising to the next point; what has succeeded stands
    });
    return !ended ? outcome::late : ec ? outcome::error : outcome::done;
}

}  // namespace board

#endif
