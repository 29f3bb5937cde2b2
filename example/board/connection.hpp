// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_CONNECTION_HPP
#define BOARD_CONNECTION_HPP

#include "http.hpp"
#include "site.hpp"

namespace board {

/// One client, from its first request to its last: as blocking code.
class connection {
public:
    connection(site& s, tcp::socket socket) : site_(s), socket_(std::move(socket)) {}
    /// Returns when either side has ended it. Throws only `cancelled`, and errors of the program itself.
    void serve();

private:
    using parser = http::request_parser<http::string_body>;
    enum class next { keep, close, gone };

    bool next_request();
    bool wait_for_bytes(std::chrono::milliseconds time);
    next exchange();
    std::optional<response> read(parser& p, bool& gone);
    std::optional<response> unreadable(outcome how, error_code const& ec, bool& gone);
    next refuse(response const& r);
    bool write(response const& r);
    bool go_on_sending(parser& p);
    void linger();

    site& site_;
    tcp::socket socket_;
    boost::beast::flat_buffer buffer_{64 * 1024};  ///< what was read ahead
};

}  // namespace board

#endif
