// SPDX-License-Identifier: BSL-1.0
#include "live.hpp"

#include "target.hpp"

#include <boost/beast/websocket/stream.hpp>

namespace board {
namespace {

namespace websocket = boost::beast::websocket;

class live_socket {
public:
    live_socket(site& s, tcp::socket socket) : site_(s), ws_(std::move(socket)) {}

    bool accept(request const& r) {
        error_code ec;
        ws_.next_layer().set_option(asio::socket_base::send_buffer_size(static_cast<int>(site_.limit.send_buffer)), ec);
        websocket::stream_base::timeout t{site_.limit.header_time, site_.limit.silence, true};
        ws_.set_option(t);
        ws_.set_option(websocket::stream_base::decorator([](websocket::response_type& res) { res.set(http::field::server, "weft-board"); }));
        ws_.read_message_max(0);  // see read_message
        ws_.auto_fragment(false);
        ws_.text(true);
        return within(site_.limit.write_time, ec, [&](error_code& e) { ws_.async_accept(r, weft::use_fiber[e]); }) == outcome::done;
    }

    /// Until either side ends it: one task sends, this one reads. A sender that fails leaves the end to the reader, which learns of it
    /// too and may be in the middle of a closing handshake.
    void talk(weft::broadcast_receiver<frame> frames, frame const& first) {
        weft::with_nursery({.name = "live socket"}, [&](weft::nursery& n) {
            n.start_soon("hang up", [&] { hang_up(); });
            n.start_soon("sender", [&, rx = std::move(frames)]() mutable {
                if (send_all(first, rx) == outcome::late) n.cancel("the peer does not read");
            });
            read_all();
            n.cancel("the connection has ended");
        });
    }

private:
    /// Closes the socket when this is cancelled, or the peer has not answered the close frame in time. The deadline of a scope around the
    /// operations would not do: Beast, once it waits for the peer to close, goes on waiting when it is cancelled.
    void hang_up() {
        struct at_exit {
            tcp::socket& socket;
            ~at_exit() { error_code ignored; socket.close(ignored); }
        } closer{ws_.next_layer()};
        closing_.wait();
        weft::this_task::sleep_for(site_.limit.goodbye);
    }

    outcome send_all(frame const& first, weft::broadcast_receiver<frame>& rx) {
        if (auto how = send(first); how != outcome::done) return how;
        for (frame const& f : rx) {
            if (rx.lagged() > 0) {
                ++site_.books.dropped;
                return close(websocket::close_code::try_again_later, "too slow");
            }
            if (auto how = send(f); how != outcome::done) return how;
        }
        return close(websocket::close_code::going_away, "the server is shutting down");
    }

    outcome send(frame const& f) {
        std::scoped_lock alone(writing_);
        if (closing_.is_set()) return outcome::error;
        error_code ec;
        auto how = within(site_.limit.write_time, ec, [&](error_code& e) { ws_.async_write(asio::buffer(f), weft::use_fiber[e]); });
        if (how == outcome::late) ++site_.books.dropped;  // a peer that does not read at all: it would not read a close frame
        return how;
    }

    outcome close(websocket::close_code code, char const* why) {
        std::scoped_lock alone(writing_);
        if (closing_.is_set()) return outcome::error;
        closing_.set();
        error_code ec;
        ws_.async_close({code, why}, weft::use_fiber[ec]);
        return ec ? outcome::error : outcome::done;
    }

    void read_all() {
        boost::beast::flat_buffer in;
        for (;;) {
            error_code ec = read_message(in);
            if (ec == boost::beast::error::timeout) ++site_.books.dropped;
            if (ec) return;
            if (in.size() > site_.limit.body) {
                close(websocket::close_code::too_big, "too long");
                return;
            }
            if (!ws_.got_text()) {
                close(websocket::close_code::unknown_data, "text only");
                return;
            }
            take({static_cast<char const*>(in.cdata().data()), in.size()});
            in.clear();
        }
    }

    /// Reads one, or as much of it as shows that it is too long. Beast's own limit would close the socket with the rest unread, and the
    /// reset that follows takes the close frame with it.
    error_code read_message(boost::beast::flat_buffer& in) {
        error_code ec;
        do {
            ws_.async_read_some(in, site_.limit.body + 1 - in.size(), weft::use_fiber[ec]);
        } while (!ec && !ws_.is_message_done() && in.size() <= site_.limit.body);
        return ec;
    }

    void take(std::string_view text) {
        try {
            site_.post(draft_from_json(text));
        } catch (bad_draft const& e) {
            send("{\"type\":\"error\",\"error\":" + quoted(e.what()) + '}');
        }
    }

    site& site_;
    websocket::stream<tcp::socket> ws_;
    weft::mutex writing_;  ///< Beast takes one write or close at a time
    weft::event closing_{"closing"};  ///< a close frame of ours is on its way: nothing is written any more
};

/// What the peer has seen already; 0 if that was of another life of the server.
std::uint64_t seen_by(site& s, request const& r) {
    auto t = parse_target({r.target().data(), r.target().size()});
    auto board = t ? t->query.find("board") : nullptr;
    auto after = t ? t->query.find("after") : nullptr;
    if (!after || (board && *board != s.messages.name())) return 0;
    return parse_number(*after).value_or(0);
}

}  // namespace

void serve_live(site& s, tcp::socket socket, request const& r) {
    // In one go, so that nothing is missed and nothing comes twice; what is posted during the handshake waits.
    auto frames = s.messages.subscribe();
    auto first = s.messages.history(seen_by(s, r));
    live_socket live(s, std::move(socket));
    if (!live.accept(r)) return;
    ++s.books.sockets;
    store::present here(s.messages);
    live.talk(std::move(frames), first);
}

}  // namespace board
