// SPDX-License-Identifier: BSL-1.0
#include "server.hpp"

#include "connection.hpp"

#include <weft/net/serve.hpp>

namespace board {
namespace {

/// One connection's entry in the books.
struct entry {
    explicit entry(accounts& b) : books(b), open(b.open) { ++b.connections; }
    ~entry() { if (!ended) ++books.cut; }
    accounts& books;
    counted open;
    bool ended{};
};

std::string text_of(std::exception_ptr e) {
    try { std::rethrow_exception(std::move(e)); }
    catch (std::exception const& x) { return x.what(); }
    catch (...) { return "something that is no std::exception"; }
}

}  // namespace

void serve_site(site& s, tcp::endpoint const& at, std::size_t max_connections, weft::task_status<tcp::endpoint>& started) {
    auto serve_one = [&s](tcp::socket socket) {
        entry e(s.books);
        try {
            connection(s, std::move(socket)).serve();
        } catch (std::exception const&) {
            e.ended = true;
            throw;
        }
        e.ended = true;
    };
    auto failed = [&s](std::exception_ptr e) {
        ++s.books.failed;
        if (s.log) s.log("a connection failed: " + text_of(std::move(e)));
    };
    weft::with_nursery({.name = "board"}, [&](weft::nursery& n) {
        n.start_service("presence", [&] { s.messages.report_presence(); });
        weft::serve_tcp(at, serve_one, {.max_connections = max_connections, .on_error = failed}, &started);
    });
}

}  // namespace board
