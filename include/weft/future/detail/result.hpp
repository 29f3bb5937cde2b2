// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_RESULT_HPP
#define WEFT_FUTURE_DETAIL_RESULT_HPP

#include <weft/core/cancelled.hpp>
#include <weft/future/detail/state.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <variant>

namespace weft::detail {

/// A shared state with room for its value: an R, the address of one for R&, nothing for void.
template <class R>
struct future_result : future_state {
    using stored = std::conditional_t<std::is_void_v<R>, std::monostate,
                                      std::conditional_t<std::is_reference_v<R>, std::remove_reference_t<R>*, R>>;
    std::optional<stored> value;  ///< written by who has claimed

    explicit future_result(bool claimed = false) noexcept : future_state(claimed ? phase::claimed : phase::pending) {}

    template <class... A>
    void emplace(A&&... a) {
        if constexpr (std::is_reference_v<R>) value.emplace(std::addressof(a)...);
        else value.emplace(std::forward<A>(a)...);
    }
    /// Stores what fn returns or throws; the caller has claimed. Rethrows a `cancelled`, which is its scope's.
    template <class F>
    void store_result_of(F&& fn) {
        try {
            if constexpr (std::is_void_v<R>) { std::forward<F>(fn)(); emplace(); }
            else emplace(std::forward<F>(fn)());
        } catch (cancelled const&) {
            store_cancelled();
            throw;
        } catch (...) {
            store_error(caught_error());
        }
    }
    /// set_value: all or nothing.
    template <class... A>
    void make(A&&... a) {
        claim();
        try { emplace(std::forward<A>(a)...); } catch (...) { unclaim(); throw; }
    }
    template <class... A>
    void set(A&&... a) {
        make(std::forward<A>(a)...);
        publish();
    }
    template <class... A>
    void set_at_task_end(char const* call, A&&... a) {
        make(std::forward<A>(a)...);
        end_at_task_end(call);
    }
    void set_error(std::exception_ptr e) {
        claim();
        store_error(std::move(e));
        publish();
    }
    void set_error_at_task_end(char const* call, std::exception_ptr e) {
        claim();
        store_error(std::move(e));
        end_at_task_end(call);
    }
    R take() {
        if constexpr (std::is_void_v<R>) return;
        else if constexpr (std::is_reference_v<R>) return **value;
        else return std::move(*value);
    }

private:
    void end_at_task_end(char const* call) {
        try { publish_at_task_end(call); } catch (...) { value.reset(); reset_outcome(); unclaim(); throw; }
    }
};

/// The same in memory of an allocator's.
template <class S, class Alloc>
struct allocated_state final : S {
    using allocator = typename std::allocator_traits<Alloc>::template rebind_alloc<allocated_state>;
    [[no_unique_address]] allocator alloc;

    template <class... A>
    explicit allocated_state(allocator const& a, A&&... args) : S(std::forward<A>(args)...), alloc(a) {}
    template <class... A>
    static S* make(Alloc const& a, A&&... args) {
        allocator al(a);
        auto p = std::allocator_traits<allocator>::allocate(al, 1);
        try { return ::new (static_cast<void*>(std::to_address(p))) allocated_state(al, std::forward<A>(args)...); }
        catch (...) { std::allocator_traits<allocator>::deallocate(al, p, 1); throw; }
    }

private:
    void destroy() noexcept override {
        allocator al(alloc);
        auto p = std::pointer_traits<typename std::allocator_traits<allocator>::pointer>::pointer_to(*this);
        this->~allocated_state();
        std::allocator_traits<allocator>::deallocate(al, p, 1);
    }
};

template <class F>
struct typed_cancel_handler final : cancel_handler {
    F f;
    explicit typed_cancel_handler(F&& fn) : f(std::move(fn)) {}
    void ask() override { f(); }
};
template <class F>
std::unique_ptr<cancel_handler> make_cancel_handler(F&& f) {
    using D = std::decay_t<F>;
    return std::make_unique<typed_cancel_handler<D>>(D(std::forward<F>(f)));
}

}  // namespace weft::detail

#endif
