// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DETAIL_SPAWN_HPP
#define WEFT_CORE_DETAIL_SPAWN_HPP

#include <weft/core/detail/task_record.hpp>

#include <new>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// A record for a new child of n. Checks that n accepts children; throws nursery_closed_error, wrong_domain_error.
task_record& new_child(nursery_record& n, std::string_view name, source_place place);
void start_child(task_record& t) noexcept;
void discard_child(task_record& t) noexcept;

/// Keeps a nursery from ending while something may still happen in its name: a start() that may bring a child, a
/// shutdown that looks at it, the completion handler of a child. The runtime's thread only; the nursery must be open or held.
class nursery_hold {
public:
    explicit nursery_hold(nursery_record& n) noexcept : n_(&n) { ++n.holds; }
    nursery_hold(nursery_hold&& o) noexcept : n_(std::exchange(o.n_, nullptr)) {}
    ~nursery_hold() { if (n_) release(*n_); }

private:
    static void release(nursery_record& n) noexcept;
    nursery_record* n_;
};

/// Stores the callable in the record, or on the heap if it is large, and says how to run and destroy it.
template <class F>
void bind_callable(task_record& t, F&& f) {
    using D = std::decay_t<F>;
    constexpr bool fits = sizeof(D) <= task_record::inline_size && alignof(D) <= alignof(std::max_align_t);
    if constexpr (fits) {
        ::new (static_cast<void*>(t.storage_)) D(std::forward<F>(f));
        t.invoke_ = [](task_record& r) { static_cast<void>((*std::launder(reinterpret_cast<D*>(r.storage_)))()); };
        t.discard_ = [](task_record& r) noexcept { std::launder(reinterpret_cast<D*>(r.storage_))->~D(); };
    } else {
        using P = D*;
        ::new (static_cast<void*>(t.storage_)) P(new D(std::forward<F>(f)));
        t.invoke_ = [](task_record& r) { static_cast<void>((**std::launder(reinterpret_cast<P*>(r.storage_)))()); };
        t.discard_ = [](task_record& r) noexcept { delete *std::launder(reinterpret_cast<P*>(r.storage_)); };
    }
}

/// Makes and binds a child without starting it; what the callable's copy throws leaves nothing behind.
template <class F>
task_record& make_child(nursery_record& n, std::string_view name, source_place place, F&& f) {
    task_record& t = new_child(n, name, place);
    if constexpr (std::is_nothrow_constructible_v<std::decay_t<F>, F&&> && sizeof(std::decay_t<F>) <= task_record::inline_size) {
        bind_callable(t, std::forward<F>(f));
    } else {
        try { bind_callable(t, std::forward<F>(f)); } catch (...) { discard_child(t); throw; }
    }
    return t;
}

}  // namespace weft::detail

#endif
