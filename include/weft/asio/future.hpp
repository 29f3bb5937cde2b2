// SPDX-License-Identifier: BSL-1.0
// Futures and Asio: continuations on Asio's executors; asio::use_future and asio::deferred need no more than weft::await.
#ifndef WEFT_ASIO_FUTURE_HPP
#define WEFT_ASIO_FUTURE_HPP

#include <weft/asio/executor.hpp>
#include <weft/asio/use_fiber.hpp>
#include <weft/future/std_future.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>

#include <memory>
#include <optional>

namespace weft {

namespace detail {

class run_port;

/// This thread's run, if it is the one whose loop `context` is: for posts that may come when the run has ended.
class home_port {
public:
    explicit home_port(void const* context) noexcept;
    home_port(home_port&& o) noexcept : port_(std::exchange(o.port_, nullptr)) {}
    ~home_port();
    explicit operator bool() const noexcept { return port_ != nullptr; }
    bool is_here() const noexcept;
    bool push(remote_node& n) const noexcept;

private:
    run_port* port_;
};

template <class E>
concept asio_executor = boost::asio::execution::is_executor<E>::value || boost::asio::is_executor<E>::value;

/// Posts to an executor of Asio's. On the run's own loop it passes through the run's port, so that a promise may be fulfilled
/// when the run has ended: the continuation is destroyed then. Another loop has work until it was posted.
template <asio_executor E>
struct poster<E> {
    using work_type = std::decay_t<decltype(boost::asio::prefer(std::declval<E const&>(), boost::asio::execution::outstanding_work.tracked))>;
    E executor;
    home_port home;
    std::optional<work_type> work;

    explicit poster(E const& e) : executor(e), home(context_of(e)) {
        if (!home) work.emplace(boost::asio::prefer(e, boost::asio::execution::outstanding_work.tracked));
    }
    void operator()(ready_call c) {
        if (!home || home.is_here()) {
            boost::asio::post(executor, std::move(c));
            return;
        }
        auto h = std::make_unique<hop>(executor, std::move(c));
        if (home.push(*h)) static_cast<void>(h.release());
    }

private:
    struct hop : remote_node {
        E executor;
        ready_call call;
        hop(E const& e, ready_call c) : executor(e), call(std::move(c)) {
            arrive = [](remote_node& n) noexcept {
                std::unique_ptr<hop> self(static_cast<hop*>(&n));
                boost::asio::post(self->executor, std::move(self->call));
            };
        }
    };
    static void const* context_of(E const& e) noexcept {
        if constexpr (requires { boost::asio::query(e, boost::asio::execution::context); }) return std::addressof(boost::asio::query(e, boost::asio::execution::context));
        else return nullptr;
    }
};

}  // namespace detail

/// Runs a deferred operation (`asio::deferred`), as op(weft::use_fiber) does: blocks, is cancelled, and throws as that.
template <class Operation>
    requires std::invocable<Operation, use_fiber_t const&>
decltype(auto) await(Operation&& op) { return std::forward<Operation>(op)(use_fiber); }

}  // namespace weft

#endif
