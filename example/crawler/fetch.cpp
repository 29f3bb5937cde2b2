// SPDX-License-Identifier: BSL-1.0
#include "fetch.hpp"

#include <weft/asio.hpp>

#include <boost/beast/http.hpp>

namespace crawler {

char const user_agent[] = "weft-crawler";

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t most_of_other = 64 * 1024;  // what is not parsed is read only to keep the connection

bool text(http::fields const& answer) { return answer[http::field::content_type].starts_with("text/"); }

/// The body in pieces, whatever length the header claims. Returns whether it ended before the limit.
bool read_body(connection& c, http::response_parser<http::buffer_body>& parser, std::size_t limit, response& r) {
    char piece[4096];
    bool kept = text(parser.get().base());
    while (!parser.is_done()) {
        auto& body = parser.get().body();
        body.data = piece;
        body.size = sizeof piece;
        body.more = true;
        error_code ec;
        http::async_read_some(c.socket, c.buffer, parser, weft::use_fiber[ec]);
        weft::check_cancelled();
        if (ec && ec != http::error::need_buffer) throw boost::system::system_error(ec);
        std::size_t n = sizeof piece - body.size;
        r.bytes += n;
        if (kept) r.body.append(piece, std::min(n, limit - r.body.size()));
        if (r.bytes > limit) return false;
    }
    return true;
}

response exchange(connection_pool::place& place, url const& what, std::size_t most_body) {
    connection& c = place.open();
    http::request<http::empty_body> request(http::verb::get, what.target, 11);
    request.set(http::field::host, what.authority());
    request.set(http::field::user_agent, user_agent);
    request.set(http::field::accept, "text/html, */*;q=0.1");
    http::async_write(c.socket, request, weft::use_fiber);
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    http::async_read_header(c.socket, c.buffer, parser, weft::use_fiber);
    auto const& head = parser.get();
    response r{.status = head.result_int(), .reason = std::string(head.reason()), .location = std::string(head[http::field::location]),
               .html = head[http::field::content_type].starts_with("text/html"), .body = {}, .truncated = false, .bytes = 0};
    if (r.reason.empty()) r.reason = std::string(http::obsolete_reason(head.result()));
    bool all = read_body(c, parser, text(head.base()) ? most_body : most_of_other, r);
    r.truncated = !all && r.html;
    if (all && parser.keep_alive()) place.keep();
    else place.drop();
    return r;
}

/// The site has closed the connection, or was about to, without having seen the request.
bool stale(error_code const& e) {
    return e == http::error::end_of_stream || e == asio::error::connection_reset || e == asio::error::broken_pipe || e == asio::error::not_connected;
}

}  // namespace

response get(connection_pool::place& place, url const& what, std::size_t most_body) {
    for (;;) {
        bool used = place.open().used;
        try {
            return exchange(place, what, most_body);
        } catch (boost::system::system_error const& e) {
            place.drop();
            if (!used || !stale(e.code())) throw;
        }
    }
}

}  // namespace crawler
