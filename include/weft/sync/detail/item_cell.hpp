// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_ITEM_CELL_HPP
#define WEFT_SYNC_DETAIL_ITEM_CELL_HPP

#include <memory>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// How a channel keeps an item: as itself or, where moving a T may throw, in a cell of its own, so that the channel moves only
/// what cannot throw. A channel hands items over under its lock, in the flow of whoever comes second: an exception there
/// would meet the wrong side.
template <class T>
struct item_cell {
    static constexpr bool boxed = !std::is_nothrow_move_constructible_v<T>;
    using type = std::conditional_t<boxed, std::unique_ptr<T>, T>;

    static T& of(type& e) noexcept {
        if constexpr (boxed) return *e;
        else return e;
    }
    template <class... A>
    static type make(A&&... a) {
        if constexpr (boxed) return std::make_unique<T>(std::forward<A>(a)...);
        else return T(std::forward<A>(a)...);
    }
};

/// The caller's value on its way into a channel. It is the caller's again if it was not taken.
template <class T>
class outgoing {
public:
    using cell = item_cell<T>;
    static_assert(!cell::boxed || std::is_move_assignable_v<T>,
                  "a T whose move constructor may throw is moved back when it is not sent: it must be move-assignable");
    explicit outgoing(T& v) : value_(&v) {}
    outgoing(outgoing const&) = delete;
    /// Before item() is asked for. Throws what the move throws.
    void start() { if constexpr (cell::boxed) if (!cell_) cell_ = cell::make(std::move(*value_)); }
    typename cell::type& item() noexcept {
        if constexpr (cell::boxed) return cell_;
        else return *value_;
    }
    /// It was not taken. Throws what moving it back throws; it is lost then, but not silently.
    void give_back() { if constexpr (cell::boxed) if (auto mine = std::move(cell_)) *value_ = std::move(*mine); }

private:
    struct nothing {};
    T* value_;
    [[no_unique_address]] std::conditional_t<cell::boxed, typename cell::type, nothing> cell_;
};

}  // namespace weft::detail

#endif
