// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_RACE_HPP
#define WEFT_FUTURE_RACE_HPP

#include <weft/future/detail/branches.hpp>

namespace weft {

/// Every result that came about in a race.
template <class... R>
struct race_results {
    std::size_t winner{};                   ///< the branch that finished first
    std::tuple<std::optional<R>...> values; ///< by branch: the winner's, and those of losers that finished all the same
};

/// race() with nothing lost: a loser that is cancelled too late, its operation being complete, still returns its result.
///
///     auto r = weft::race_all([&] { return rx.receive(); }, [&] { return control.receive(); });
///
/// Blocks, throws as race. If another branch throws although one has won, the error is thrown and the results are lost: a
/// branch that must not lose what it took stores it outside.
template <std::invocable... F>
auto race_all(F&&... f) -> race_results<detail::branch_result<F>...> {
    static_assert(sizeof...(F) > 0, "a race of no branches would never end");
    constexpr std::size_t nobody = sizeof...(F);
    race_results<detail::branch_result<F>...> results{nobody, {}};
    try {
        with_nursery(nursery_options{.name = "race"}, [&](nursery& n) {
            auto start = [&](std::size_t i, auto& fn, auto& value) {
                n.start_soon([&n, &results, i, &fn, &value] {
                    value.emplace(detail::call_branch(fn));
                    if (results.winner != nobody) return;
                    results.winner = i;
                    n.cancel("another branch of the race finished first");
                });
            };
            [&]<std::size_t... I>(std::index_sequence<I...>) { (start(I, f, std::get<I>(results.values)), ...); }(std::index_sequence_for<F...>());
        });
    } catch (cancelled const&) {
        // From outside, while the losers were awaited: the race had been won, so that counts; the next point raises again.
        if (results.winner == nobody) throw;
    }
    return results;
}

/// Runs each function as a child task; the first to finish wins, the others are cancelled and awaited. Returns a variant of
/// the results by branch, std::monostate for void, that holds the winner's at its index.
///
///     auto r = weft::race([&] { return primary.query(); }, [&] { weft::this_task::sleep_for(1s); });
///     if (r.index() == 1) …                                            // late
///
/// An error that comes first wins too. A result that a cancelled loser returns is dropped; race_all keeps it.
/// Blocks:        until all have ended; always a schedule point.
/// Cancellation:  reaches every branch. If one had won already, its result is returned, and the next point raises.
/// Throws:        exception_group of the branches' errors, also of a single one, also of a loser; cancelled; not_running_error;
///                wrong_domain_error.
/// Source:        Trio's documentation of nurseries; Promise.race, which leaves the losers running.
template <std::invocable... F>
auto race(F&&... f) -> std::variant<detail::branch_result<F>...> {
    using V = std::variant<detail::branch_result<F>...>;
    auto all = weft::race_all(std::forward<F>(f)...);
    std::optional<V> won;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((I == all.winner ? static_cast<void>(won.emplace(std::in_place_index<I>, std::move(*std::get<I>(all.values)))) : static_cast<void>(0)), ...);
    }(std::index_sequence_for<F...>());
    return std::move(*won);
}

}  // namespace weft

#endif
