// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_GATHER_HPP
#define WEFT_FUTURE_GATHER_HPP

#include <weft/future/detail/branches.hpp>

namespace weft {

/// Runs each function as a child task, waits for all, and returns what they return: a tuple, with std::monostate for void.
///
///     auto [user, orders] = weft::gather([&] { return load_user(id); }, [&] { return load_orders(id); });
///
/// Blocks:        until all have ended; always a schedule point, as with_nursery, which this is.
/// Cancellation:  reaches every branch, and all are awaited; what the finished ones returned is lost if `cancelled` is raised.
///                If all had finished, their results are returned, and the next cancellation point raises.
/// Throws:        exception_group of the branches' errors, also of a single one: the first cancels the other branches;
///                cancelled; not_running_error; wrong_domain_error.
/// Source:        asyncio.gather; differs in that an error cancels the rest, and that none is lost.
template <std::invocable... F>
auto gather(F&&... f) -> std::tuple<detail::branch_result<F>...> {
    std::tuple<std::optional<detail::branch_result<F>>...> results;
    with_nursery(nursery_options{.name = "gather"}, [&]([[maybe_unused]] nursery& n) {
        auto start = [&n](auto& fn, auto& result) { n.start_soon([&fn, &result] { result.emplace(detail::call_branch(fn)); }); };
        std::apply([&](auto&... r) { (start(f, r), ...); }, results);
    });
    return std::apply([](auto&... r) { return std::tuple<detail::branch_result<F>...>(std::move(*r)...); }, results);
}

/// The same for a range of functions: a vector of the results, in the order of the range; nothing for void.
/// The functions of a forward range of references are called where they are, others are kept meanwhile.
template <detail::branch_range Range>
    requires(!std::invocable<Range>)
auto gather(Range&& range) {
    using list = detail::branch_list<Range>;
    list branches(std::forward<Range>(range));
    std::vector<std::optional<typename list::result>> results(branches.size());
    with_nursery(nursery_options{.name = "gather"}, [&](nursery& n) {
        for (std::size_t i = 0; i < branches.size(); ++i) n.start_soon([&r = results[i], &f = branches[i]] { r.emplace(detail::call_branch(f)); });
    });
    if constexpr (!std::is_void_v<std::invoke_result_t<typename list::function&>>) {
        std::vector<typename list::result> values;
        values.reserve(results.size());
        for (auto& r : results) values.push_back(std::move(*r));
        return values;
    }
}

}  // namespace weft

#endif
