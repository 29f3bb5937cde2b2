// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_SERVE_HPP
#define WEFT_NET_SERVE_HPP

#include <weft/asio/executor.hpp>
#include <weft/asio/use_fiber.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/core/task.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/task/nursery.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <type_traits>

namespace weft {

struct serve_options {
    std::size_t max_connections{};                           ///< handlers at once; further connections wait in the kernel's queue. 0: no limit
    std::function<void(std::exception_ptr)> on_error{};      ///< for what leaves a handler; empty: it ends the server
    duration capacity_pause{std::chrono::milliseconds(100)}; ///< before the next accept where descriptors or memory have run out
};

namespace detail {
inline constexpr int accepts_a_turn = 256;  // in an accept's time others wait: some 2 ms
enum class accept_failure : std::uint8_t { retry, pause, fatal };
/// What an error of accept() means for the server.
accept_failure classify_accept(boost::system::error_code const& e) noexcept;
/// An acceptor that can say at once that nobody waits, as Asio's can.
template <class A>
concept can_accept_now = requires(A& a, boost::system::error_code& ec) {
    a.non_blocking(true, ec);
    a.accept(ec);
};
}  // namespace detail

/// Accepts connections and runs handler(socket) for each, as a task of its own, until a stop is requested (nursery::shutdown,
/// cancel_scope::request_stop); then closes the listener, and returns when the handlers have ended.
///
///     weft::with_nursery([&](weft::nursery& n) {
///         n.start_soon("server", [&] { weft::serve(listener, [](tcp::socket s) { talk(std::move(s)); }); });
///         wait_for_sigterm();
///         n.shutdown(10s);                                     // no new connections; 10 s for those that are under way
///     });
///
/// Listener: any acceptor of Asio's; its blocking calls no longer block (non_blocking). Or what has an async_accept for use_fiber, and a close.
/// Blocks:       until then.
/// Cancellation: cancels the handlers and waits for them. A connection that was accepted gets its handler.
/// Throws:       system_error of accept, but for those of single connections (the next is accepted) and of capacity (EMFILE, ENFILE, ENOBUFS,
///               ENOMEM: after a pause); exception_group of what leaves a handler, unless on_error takes it.    Source: Trio's serve_listeners.
template <class Acceptor, class Handler>
void serve(Acceptor& listener, Handler handler, serve_options const& options = {}) {
    duration pause = detail::checked_wait(options.capacity_pause, "serve_options::capacity_pause");
    constexpr auto unlimited = (std::numeric_limits<std::ptrdiff_t>::max)() / 2;
    local::counting_semaphore<unlimited> permits(options.max_connections ? static_cast<std::ptrdiff_t>(options.max_connections) : unlimited);
    struct permit {
        local::counting_semaphore<unlimited>* of;
        explicit permit(local::counting_semaphore<unlimited>& s) : of(&s) { s.acquire(); }
        permit(local::counting_semaphore<unlimited>& s, std::adopt_lock_t) noexcept : of(&s) {}
        permit(permit&& o) noexcept : of(std::exchange(o.of, nullptr)) {}
        ~permit() { if (of) of->release(); }
    };
    cancel_scope accepting;  // outlives the watcher below
    with_nursery({.name = "connections"}, [&](nursery& n) {
        n.start_service("stop", [&] {
            wait_stop_requested();
            accepting.cancel("a stop was requested");
        });
        auto serve_one = [&](permit p, auto socket) {
            n.start_soon("connection", [&, p = std::move(p), s = std::move(socket)]() mutable {
                if (!options.on_error) { handler(std::move(s)); return; }
                try { handler(std::move(s)); }
                catch (cancelled const&) { throw; }
                catch (...) { options.on_error(std::current_exception()); }
            });
        };
        bool stopped = !accepting.run([&] {
            for (;;) {
                permit p(permits);
                boost::system::error_code ec;
                auto socket = listener.async_accept(use_fiber[ec]);
                if (!ec) {
                    serve_one(std::move(p), std::move(socket));
                    // The next asynchronous accept completes behind every handler that is ready now: of a server that is busy, one a turn of the
                    // loop. Those who wait already are taken at once; what fails here, the next asynchronous one meets.
                    if constexpr (detail::can_accept_now<Acceptor>) {
                        listener.non_blocking(true, ec);
                        for (int i = 0; !ec && i < detail::accepts_a_turn && permits.try_acquire(); ++i) {
                            permit next(permits, std::adopt_lock);
                            auto another = listener.accept(ec);
                            if (!ec) serve_one(std::move(next), std::move(another));
                        }
                    }
                    continue;
                }
                check_cancelled();
                switch (detail::classify_accept(ec)) {
                    case detail::accept_failure::retry: checkpoint(); break;
                    case detail::accept_failure::pause: this_task::sleep_for(pause); break;
                    case detail::accept_failure::fatal: throw boost::system::system_error(ec, "weft::serve");
                }
            }
        });
        if (stopped) {
            boost::system::error_code ignored;
            listener.close(ignored);
        }
    });
}

/// Listens on an address (port 0: a free one) and serves. `started`, if given, is told the address once connections are accepted:
///
///     auto at = n.start([&](weft::task_status<tcp::endpoint>& started) { weft::serve_tcp({tcp::v4(), 0}, handler, {}, &started); });
///
/// Throws: system_error if the address cannot be had; as serve.
template <class Handler>
void serve_tcp(boost::asio::ip::tcp::endpoint const& at, Handler handler, serve_options const& options = {}, task_status<boost::asio::ip::tcp::endpoint>* started = nullptr) {
    boost::asio::ip::tcp::acceptor listener(get_executor(), at);  // with SO_REUSEADDR
    if (started) started->started(listener.local_endpoint());
    serve(listener, std::move(handler), options);
}

}  // namespace weft

#endif
