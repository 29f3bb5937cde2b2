// SPDX-License-Identifier: BSL-1.0
// What callbacks do with that for which tasks wait: items of ranges and channels, and lent resources. Each with a completion token.
#ifndef WEFT_ASIO_ASYNC_ITEMS_HPP
#define WEFT_ASIO_ASYNC_ITEMS_HPP

#include <weft/asio/spawn.hpp>
#include <weft/sync/lending.hpp>

#include <concepts>
#include <optional>
#include <utility>

namespace weft {

namespace detail {
/// An input range of weft's: begin() waits for the next item.
template <class Range>
concept waiting_range = requires(Range& r) {
    typename Range::value_type;
    { *r.begin() } -> std::convertible_to<typename Range::value_type const&>;
    r.begin() == r.end();
};
}  // namespace detail

/// From a callback: takes the next item of a generator, a receiver or a broadcast_receiver; completes with
/// `(exception_ptr, std::optional<T>)`, which is empty at the end.
///
///     void next() { weft::async_next(n, lines, [this](std::exception_ptr e, std::optional<std::string> line) {
///         if (e || !line) return finished(e);
///         use(*line);
///         next();                                   // the producer goes on only now
///     }); }
///
/// The token's cancellation slot ends the wait with operation_aborted; no item is lost: the next call gets it. The range must live until the
/// token completes; cancelling or ending `n` completes it.
/// Blocks: never (with use_fiber as token, as a step of the range's loop). Threads: the runtime's own.
/// Throws: as nursery::start_soon. The exception_ptr has what a step of the loop throws.
template <detail::waiting_range Range, class Token>
auto async_next(nursery& n, Range& range, Token&& token) {
    return weft::spawn(n, [&range]() -> std::optional<typename Range::value_type> {
        auto step = range.begin();
        if (step == range.end()) return std::nullopt;
        return std::optional<typename Range::value_type>(std::move(*step));
    }, std::forward<Token>(token));
}

/// From a callback: sends v to a channel, a broadcast, or as a generator's next item (generator_sink); completes with `(exception_ptr)` when
/// that has taken it, so that a producer that waits for the completion is no faster than its consumer.
///
/// The token's slot ends the wait with operation_aborted: v was not sent, and is gone. `to` must live until the token completes.
/// Blocks, threads, throws: as async_next; the exception_ptr has what send() throws.
template <class Sender, class T, class Token>
    requires requires(Sender& s, std::decay_t<T> v) { s.send(std::move(v)); }
auto async_send(nursery& n, Sender& to, T&& v, Token&& token) {
    return weft::spawn(n, [&to, v = std::decay_t<T>(std::forward<T>(v))]() mutable { to.send(std::move(v)); }, std::forward<Token>(token));
}

/// From a callback: borrows a resource that a task lends (with_lent); completes with `(exception_ptr, loan<R>)`. The loan gives it back when it
/// is destroyed, also where nobody takes it. Cancellation and the rest: as async_next; closed_resource_error if it is lent no more.
template <class R, class Token>
auto async_borrow(nursery& n, lending<R> const& from, Token&& token) {
    return weft::spawn(n, [from] { return from.borrow(); }, std::forward<Token>(token));
}

}  // namespace weft

#endif
