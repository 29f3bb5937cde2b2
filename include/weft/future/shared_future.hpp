// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_SHARED_FUTURE_HPP
#define WEFT_FUTURE_SHARED_FUTURE_HPP

#include <weft/future/future.hpp>

namespace weft {

/// A future that any number may copy, wait for and read. std::shared_future's interface; see weft::future, which each wait is as.
/// Of several that wait at a time, the last one to be cancelled asks the producer to stop; the others leave at once.
template <class R>
class [[nodiscard]] shared_future {
public:
    shared_future() noexcept = default;
    shared_future(shared_future const&) noexcept = default;
    shared_future(shared_future&&) noexcept = default;
    shared_future(future<R>&& f) noexcept : ref_(std::move(f.ref_)) {}
    shared_future& operator=(shared_future const& o) noexcept { ref_ = o.ref_; return *this; }
    shared_future& operator=(shared_future&& o) noexcept { ref_ = std::move(o.ref_); return *this; }

    /// Waits for the result and returns a reference to it, valid as long as a copy of this future is; for R& and void as
    /// future::get. Blocks, throws as future::get; the error is one object, shared by all.
    decltype(auto) get() const {
        ref_->wait("shared_future::get");
        ref_->throw_if_failed();
        if constexpr (std::is_void_v<R>) return;
        else if constexpr (std::is_reference_v<R>) return static_cast<R>(**ref_->value);
        else return static_cast<R const&>(*ref_->value);
    }
    /// As future's.
    void wait() const { ref_->wait("shared_future::wait"); }
    template <class Rep, class Period>
    std::future_status wait_for(std::chrono::duration<Rep, Period> const& d) const { return detail::wait_for(*ref_, "shared_future::wait_for", d); }
    template <class Clock, class Duration>
    std::future_status wait_until(std::chrono::time_point<Clock, Duration> const& t) const { return detail::wait_until(*ref_, "shared_future::wait_until", t); }

    bool valid() const noexcept { return static_cast<bool>(ref_); }

    /// As future::then; f is called with a copy, and this future stays as it is. Counts as somebody who waits.
    template <class Executor, class F>
    void then(Executor&& executor, F&& f) const {
        detail::add_then(*ref_, shared_future(*this), std::forward<Executor>(executor), std::forward<F>(f));
    }

    /// As future::on_ready; calls f(R const&), and this future stays as it is.
    template <class F>
    auto on_ready(F f) const {
        static_cast<void>(*ref_);
        return detail::make_ready_alternative(ref_, [held = ref_, f = std::move(f)]() mutable -> decltype(auto) {
            held->throw_if_failed();
            if constexpr (std::is_void_v<R>) return std::invoke(f);
            else if constexpr (std::is_reference_v<R>) return std::invoke(f, static_cast<R>(**held->value));
            else return std::invoke(f, static_cast<R const&>(*held->value));
        });
    }

private:
    detail::consumer_ref<detail::future_result<R>> ref_;
};

}  // namespace weft

#endif
