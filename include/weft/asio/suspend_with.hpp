// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_SUSPEND_WITH_HPP
#define WEFT_ASIO_SUSPEND_WITH_HPP

#include <weft/asio/use_fiber.hpp>

#include <boost/asio/async_result.hpp>

#include <memory>
#include <mutex>

namespace weft {

namespace detail {

/// A copyable, call-once holder of a move-only handler, for callback APIs that copy their callbacks.
template <class Handler>
class shared_resume {
public:
    explicit shared_resume(Handler&& h) : state_(std::make_shared<state>(std::move(h))) {}
    /// The first call counts, from any thread; later ones do nothing.
    template <class... A>
    void operator()(A&&... args) const {
        std::optional<Handler> h;
        {
            std::lock_guard lock(state_->mutex);
            if (!state_->handler) return;
            h.emplace(std::move(*state_->handler));
            state_->handler.reset();
        }
        resume_later never_inside;  // who calls this goes on with its own work afterwards, and does not expect the task to have run
        (*h)(std::forward<A>(args)...);
    }
private:
    struct state {
        std::mutex mutex;
        std::optional<Handler> handler;
        explicit state(Handler&& h) : handler(std::move(h)) {}
    };
    std::shared_ptr<state> state_;
};

template <class R> struct resume_signature { using type = void(R); };
template <> struct resume_signature<void> { using type = void(); };

}  // namespace detail

/// Turns any callback API into a blocking call: init(resume) starts it, resume(value) ends the wait.
///
///     int rc = weft::suspend_with<int>([&](auto resume) { library_call(arg, [=](int r) { resume(r); }); });
///
/// resume is copyable, may be called on any thread, inside init too; its first call counts. It never runs the task inside
/// the call. If all copies are destroyed
/// uncalled, the wait ends with abandoned_error.
/// Blocks:       until resume is called.    Cancellation: raised before init if pending; then waits for resume, and the next
///               point raises. Throws: cancelled, abandoned_error, what init throws. Allocates once.
template <class R = void, class Init>
R suspend_with(Init&& init) {
    use_fiber_t token;
    return boost::asio::async_initiate<use_fiber_t, typename detail::resume_signature<R>::type>(
        [&](auto handler) { init(detail::shared_resume<decltype(handler)>(std::move(handler))); }, token);
}

}  // namespace weft

#endif
