// SPDX-License-Identifier: BSL-1.0
#include "relay.hpp"

#include <weft/net/stream.hpp>
#include <weft/weft.hpp>

#include <boost/asio/buffer.hpp>

#include <memory>

namespace proxy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t buffer_size = 64 * 1024;

/// The time that a connection may stand still, counted from the last byte in either direction.
class idle_limit {
public:
    explicit idle_limit(std::chrono::milliseconds limit) : limit_(limit) { scope.set_deadline_after(limit_); }
    void moved() { scope.set_deadline_after(limit_); }
    weft::cancel_scope scope{"idle limit"};

private:
    std::chrono::milliseconds limit_;
};

/// One direction. Returns whether it ended because `from` is broken, which makes the other direction pointless. If `to` is broken,
/// the other direction still passes on what `to` has sent before.
bool pump(peer& from, peer& to, std::uint64_t& bytes, idle_limit& idle) {
    auto memory = std::make_unique_for_overwrite<char[]>(buffer_size);  // touched by what is read into it only
    for (;;) {
        error_code ec;
        std::size_t n = weft::read_some(from.socket, asio::buffer(memory.get(), buffer_size), ec);
        weft::check_cancelled();
        // After a failed write the kernel has told of the reset already, and the rest reads as an end.
        if (n == 0 && !ec && !from.broken) {
            to.socket.shutdown(tcp::socket::shutdown_send, ec);
            return false;
        }
        if (n == 0) {
            from.broken = true;
            return true;
        }
        idle.moved();
        bytes += weft::write_all(to.socket, asio::buffer(memory.get(), n), ec);
        weft::check_cancelled();
        if (ec) {
            to.broken = true;
            return false;
        }
        idle.moved();
    }
}

}  // namespace

void relay(peer& client, peer& server, std::chrono::milliseconds limit, accounts& books) {
    counted here(books.relaying);
    idle_limit idle(limit);
    auto direction = [&](weft::nursery& n, peer& from, peer& to, std::uint64_t& bytes) {  // out here: a child may outlive the nursery's body
        if (pump(from, to, bytes, idle)) n.cancel("one side was reset");
    };
    bool in_time = idle.scope.run([&] {
        weft::with_nursery({.name = "relay"}, [&](weft::nursery& n) {
            n.start_soon("up", [&] { direction(n, client, server, books.bytes_up); });
            direction(n, server, client, books.bytes_down);
        });
        if (client.broken != server.broken) (client.broken ? server : client).wait_until_delivered();
    });
    if (!in_time) {
        ++books.idle;
    } else if (client.broken || server.broken) {
        ++books.reset;
    } else {
        ++books.in_order;
        client.in_order = server.in_order = true;
    }
}

}  // namespace proxy
