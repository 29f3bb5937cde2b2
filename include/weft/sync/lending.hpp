// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_LENDING_HPP
#define WEFT_SYNC_LENDING_HPP

#include <weft/core/errors.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/cancel_scope.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
/// The resource's address is the one item of a channel: whoever has received it has the resource.
template <class R>
struct lending_state {
    shared::receiver<R*> borrowers;  ///< everybody borrows through it; closed when the owner wants the resource back
    shared::receiver<R*> owner;
    shared::sender<R*> returns;
    std::stop_source recall;

    explicit lending_state(R& resource) {
        auto ends = shared::make_channel<R*>({.capacity = 1, .name = "lent resource"});
        borrowers = std::move(ends.receiver);
        owner = borrowers.clone();
        returns = std::move(ends.sender);
        returns.try_send(std::addressof(resource));
    }
};
[[noreturn]] WEFT_COLD inline void throw_not_lent(char const* call) {
    throw closed_resource_error(message("W160", std::string(call) + ": the resource is not lent any more" + in_task(),
        "its owner has left with_lent, or is leaving it.", "borrow while the owner lends; take this error as the end of that."));
}
}  // namespace detail

/// A resource in somebody's hands; its destructor gives it back. Move-only. Threads: any, one at a time.
template <class R>
class loan {
public:
    loan() = default;  ///< has nothing
    loan(loan&& o) noexcept : state_(std::move(o.state_)), resource_(std::exchange(o.resource_, nullptr)) {}
    loan& operator=(loan o) noexcept { std::swap(state_, o.state_); std::swap(resource_, o.resource_); return *this; }
    ~loan() { give_back(); }

    R& operator*() const noexcept { return *resource_; }
    R* operator->() const noexcept { return resource_; }
    explicit operator bool() const noexcept { return resource_ != nullptr; }

    /// Never blocks; may be called twice, and from callbacks. Memory order: happens-before the next loan, and the return of with_lent.
    void give_back() noexcept {
        if (!resource_) return;
        state_->returns.try_send(std::exchange(resource_, nullptr));  // there is room: it is the only item
        state_.reset();
    }
    /// Stopped when the owner wants it back, on the owner's thread. Precondition: *this has the resource.
    std::stop_token recall_token() const noexcept { return state_->recall.get_token(); }

    loan(std::shared_ptr<detail::lending_state<R>> s, R* r) noexcept : state_(std::move(s)), resource_(r) {}  ///< by lending

private:
    std::shared_ptr<detail::lending_state<R>> state_;
    R* resource_{};
};

/// Where a lent resource is borrowed. A copyable handle, which may outlive with_lent: what is asked of it then is refused.
/// Threads: any.
template <class R>
class lending {
public:
    /// Waits for the resource, first come, first served.
    /// Blocks: always a checkpoint. Cancellation: it is not borrowed. Throws: closed_resource_error if the owner lends it no more, also while
    /// this waits; cancelled; deadlock_error.
    loan<R> borrow() const {
        try {
            return {state_, state_->borrowers.receive()};
        } catch (closed_resource_error const&) {
            detail::throw_not_lent("lending::borrow");
        }
    }
    /// The resource if it is there; an empty loan if not, or if it is lent no more. Never blocks; may be called from callbacks.
    loan<R> try_borrow() const {
        try {
            std::optional<R*> r = state_->borrowers.try_receive();
            return r ? loan<R>(state_, *r) : loan<R>();
        } catch (closed_resource_error const&) {
            return {};
        }
    }

    explicit lending(std::shared_ptr<detail::lending_state<R>> s) noexcept : state_(std::move(s)) {}  ///< by with_lent

private:
    std::shared_ptr<detail::lending_state<R>> state_;
};

/// Lends what this task owns to others, one at a time, while body(lending) runs; returns what the body returns.
///
///     tcp::socket socket = …;                                        // opened and closed in this task
///     weft::with_lent(socket, [&](weft::lending<tcp::socket> const& lent) {
///         legacy.start(lent);                                        // its callbacks: async_borrow(n, lent, [](std::exception_ptr e, auto loan) { … })
///         done.wait();
///     });                                                            // nobody else has the socket here
///
/// On the way out nobody gets it any more, whoever has it is told (loan::recall_token), and its return is awaited.
/// Blocks:       until it was given back: shielded, as it must not be destroyed in somebody's hands.
/// Cancellation: reaches the body; then as above.
/// Throws:       what the body throws; deadlock_error if nobody can give it back.
template <class R, class F>
auto with_lent(R& resource, F&& body) -> std::invoke_result_t<F&, lending<R> const&> {
    using result_type = std::invoke_result_t<F&, lending<R> const&>;
    auto state = std::make_shared<detail::lending_state<R>>(resource);
    typename detail::scope_result<result_type>::type result{};
    std::exception_ptr error;
    try {
        lending<R> const lent(state);
        if constexpr (std::is_void_v<result_type>) { body(lent); result = true; }
        else result.emplace(body(lent));
    } catch (...) { error = std::current_exception(); }
    state->borrowers.close();
    state->recall.request_stop();
    cancel_scope shield;
    shield.set_shield(true);
    shield.run([&] { state->owner.receive(); });
    if (error) std::rethrow_exception(error);
    if constexpr (!std::is_void_v<result_type>) return std::move(*result);
}

}  // namespace weft

#endif
