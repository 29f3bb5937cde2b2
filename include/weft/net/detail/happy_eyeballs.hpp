// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_DETAIL_HAPPY_EYEBALLS_HPP
#define WEFT_NET_DETAIL_HAPPY_EYEBALLS_HPP

#include <weft/sync/event.hpp>
#include <weft/task/exception_group.hpp>
#include <weft/task/nursery.hpp>
#include <weft/task/timeouts.hpp>

#include <boost/system/system_error.hpp>

#include <deque>
#include <optional>
#include <vector>

namespace weft::detail {

template <class Endpoint>
struct connect_attempt {
    Endpoint endpoint;
    boost::system::error_code error;
};

/// Alternates between the families, beginning with that of the first; the order within a family is kept (RFC 8305, section 4).
template <class Endpoint, class IsFirstFamily>
std::vector<Endpoint> interleave(std::vector<Endpoint> const& all, IsFirstFamily is_first_family) {
    std::vector<Endpoint> of[2], mixed;
    for (auto const& e : all) of[is_first_family(e) ? 0 : 1].push_back(e);
    for (std::size_t i = 0; i < all.size(); ++i) for (auto const& f : of) if (i < f.size()) mixed.push_back(f[i]);
    return mixed;
}

/// Tries the addresses in their order, each beside those before it that have neither answered nor failed within `delay`. Returns
/// what the first successful connect(endpoint) returned; the others are cancelled, awaited, and destroyed. Empty if all failed
/// with a system_error; see `failures`. Other exceptions leave as they are.
template <class Endpoint, class Connect>
auto happy_eyeballs(std::vector<Endpoint> const& addresses, duration delay, Connect connect, std::vector<connect_attempt<Endpoint>>& failures)
    -> std::optional<std::invoke_result_t<Connect&, Endpoint const&>> {
    std::optional<std::invoke_result_t<Connect&, Endpoint const&>> winner;
    std::deque<event> failed;  // by attempt; one may fail long after the wait for it
    try {
        with_nursery({.name = "connect"}, [&](nursery& n) {
            for (auto const& e : addresses) {
                event& this_failed = failed.emplace_back();
                n.start_soon("attempt", [&, &this_failed = this_failed, e] {
                    try {
                        auto s = connect(e);
                        if (winner) return;  // another was faster
                        winner.emplace(std::move(s));
                        n.cancel("another address has answered");
                    } catch (boost::system::system_error const& x) {
                        failures.push_back({e, x.code()});
                        this_failed.set();
                    }
                });
                if (&e != &addresses.back()) this_failed.wait_for(delay);
            }
        });
    } catch (exception_group const& g) {
        if (g.exceptions().size() == 1) std::rethrow_exception(g.exceptions().front());
        throw;
    }
    return winner;
}

}  // namespace weft::detail

#endif
