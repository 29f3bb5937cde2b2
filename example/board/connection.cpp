// SPDX-License-Identifier: BSL-1.0
#include "connection.hpp"

#include "live.hpp"
#include "routes.hpp"

#include <cstring>

namespace board {
namespace {

/// Runs f until it ends or `stop` is requested.
template <class F>
void until_stopped(std::stop_token const& stop, F&& f) {
    weft::cancel_scope scope("until stopped");
    std::stop_callback wake(stop, [&] { scope.cancel("draining"); });
    scope.run(f);
}

}  // namespace

void connection::serve() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    while (next_request()) {
        switch (exchange()) {
            case next::keep: break;
            case next::close: linger(); return;
            case next::gone: return;
        }
    }
}

/// Whether there is the beginning of another request. When the server drains, the peer has a last call: it may have sent one just before
/// it could know.
bool connection::next_request() {
    for (;;) {
        if (buffer_.size() == 0 && !site_.draining()) {
            until_stopped(site_.stop, [&] { wait_for_bytes(site_.limit.idle); });
            if (buffer_.size() == 0 && !site_.draining()) return false;
        }
        if (buffer_.size() == 0 && !wait_for_bytes(site_.limit.last_call)) return false;  // nothing is unread, no answer on its way: no need to linger
        // Empty lines before a request are to be ignored (RFC 9112, 2.2).
        while (buffer_.size() >= 2 && std::memcmp(buffer_.cdata().data(), "\r\n", 2) == 0) buffer_.consume(2);
        if (buffer_.size() > 0) return true;
    }
}

/// Reads what comes first; no byte is lost if it is cancelled.
bool connection::wait_for_bytes(std::chrono::milliseconds time) {
    error_code ec;
    within(time, ec, [&](error_code& e) { buffer_.commit(socket_.async_read_some(buffer_.prepare(4096), weft::use_fiber[e])); });
    return buffer_.size() > 0;
}

connection::next connection::exchange() {
    parser p;
    bool gone = false;
    if (auto bad = read(p, gone)) return refuse(*bad);
    if (gone) return next::gone;
    request const& r = p.get();
    if (asks_for_live(r)) {
        if (auto no = refuse_live(site_, r)) return refuse(*no);
        if (buffer_.size() > 0) return refuse(refusal(http::status::bad_request, "wait for the answer before you send frames"));
        ++site_.books.requests;
        serve_live(site_, std::move(socket_), r);
        return next::gone;
    }
    auto res = answer(site_, r);
    bool keep = p.keep_alive() && !site_.draining();
    res.keep_alive(keep);
    if (!write(res)) return next::gone;
    return keep ? next::keep : next::close;
}

/// Empty if the request was read, or the peer is gone. Otherwise the answer to give instead.
std::optional<response> connection::read(parser& p, bool& gone) {
    p.header_limit(static_cast<std::uint32_t>(site_.limit.header));
    p.body_limit(site_.limit.body);
    error_code ec;
    auto how = within(site_.limit.header_time, ec, [&](error_code& e) { http::async_read_header(socket_, buffer_, p, weft::use_fiber[e]); });
    if (how != outcome::done) return unreadable(how, ec, gone);
    if (p.get().count(http::field::transfer_encoding) && !p.chunked()) {
        // Its length is unknown, so that its body would be taken for the next request.
        return refusal(http::status::not_implemented, "of the transfer encodings only chunked is known");
    }
    if (p.is_done()) return std::nullopt;
    if (p.get().count(http::field::expect)) {
        if (!boost::beast::iequals(p.get()[http::field::expect], "100-continue")) return refusal(http::status::expectation_failed, "only 100-continue is known");
        if (!go_on_sending(p)) { gone = true; return std::nullopt; }
    }
    how = within(site_.limit.body_time, ec, [&](error_code& e) { http::async_read(socket_, buffer_, p, weft::use_fiber[e]); });
    return how == outcome::done ? std::nullopt : unreadable(how, ec, gone);
}

std::optional<response> connection::unreadable(outcome how, error_code const& ec, bool& gone) {
    if (how == outcome::late) return refusal(http::status::request_timeout, "the request took too long");
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow) return refusal(http::status::request_header_fields_too_large, "the header is too long");
    if (ec == http::error::body_limit) return refusal(http::status::payload_too_large, "the body is longer than " + std::to_string(site_.limit.body) + " bytes");
    if (ec == http::error::bad_version) return refusal(http::status::http_version_not_supported, "this is an HTTP/1.1 server");
    if (ec == http::error::end_of_stream || ec == http::error::partial_message || ec.category() != make_error_code(http::error::bad_value).category()) {
        gone = true;
        return std::nullopt;
    }
    return refusal(http::status::bad_request, "the request cannot be read: " + ec.message());
}

/// The peer waits for this before it sends the body, unless that is here already.
bool connection::go_on_sending(parser& p) {
    if (buffer_.size() > 0 || p.get().version() < 11) return true;
    constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    error_code ec;
    return within(site_.limit.write_time, ec, [&](error_code& e) { asio::async_write(socket_, asio::buffer(text), weft::use_fiber[e]); }) == outcome::done;
}

connection::next connection::refuse(response const& r) { return write(r) ? next::close : next::gone; }

bool connection::write(response const& r) {
    error_code ec;
    bool sent = within(site_.limit.write_time, ec, [&](error_code& e) { http::async_write(socket_, r, weft::use_fiber[e]); }) == outcome::done;
    auto& books = site_.books;
    ++(sent ? books.requests : books.unanswered);
    if (sent && r.result_int() >= 400) ++books.refused;
    return sent;
}

/// Closes in the order that loses nothing: what is sent to a socket that was closed with unread bytes is answered with a reset, and a
/// reset takes the last answer with it. So the peer may close first.
void connection::linger() {
    error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    if (ec) return;
    within(site_.limit.linger, ec, [&](error_code& e) {
        char unread[4096];
        while (!e) socket_.async_read_some(asio::buffer(unread), weft::use_fiber[e]);
    });
}

}  // namespace board
