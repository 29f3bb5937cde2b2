// SPDX-License-Identifier: BSL-1.0
#include "backends.hpp"

#include "descriptors.hpp"

#include <weft/net/connect.hpp>
#include <weft/weft.hpp>

#include <algorithm>

namespace proxy {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

constexpr auto first_aside = 1s, longest_aside = 32s;

/// This process cannot have a socket now. Nothing is wrong with the backend.
struct no_descriptors {};

}  // namespace

backends::backends(std::vector<address> const& all, std::chrono::milliseconds limit, accounts& books) : limit_(limit), books_(books) {
    for (auto const& a : all) all_.emplace_back().at = a;
}

std::vector<backend*> backends::in_turn() {
    std::vector<backend*> order;
    for (std::size_t i = 0; i < all_.size(); ++i) order.push_back(&all_[(next_ + i) % all_.size()]);
    next_ = (next_ + 1) % all_.size();
    auto now = weft::current_time();
    std::stable_partition(order.begin(), order.end(), [&](backend* b) { return b->aside_until <= now; });
    return order;
}

void backends::failed(backend& b, std::string why) {
    ++b.failures;
    b.last_failure = std::move(why);
    auto now = weft::current_time();
    // Of many that fail in one moment only the first counts.
    if (now < b.aside_until && b.failures_in_a_row > 0) return;
    b.aside_until = now + std::min<weft::duration>(first_aside * (1 << std::min(b.failures_in_a_row, 5u)), longest_aside);
    ++b.failures_in_a_row;
}

std::optional<tcp::socket> backends::connect_to(backend& b) {
    try {
        auto socket = weft::fail_after(limit_, [&] { return weft::connect_tcp(b.at.host, b.at.port); });
        ++b.connections;
        b.failures_in_a_row = 0;
        b.aside_until = {};
        return socket;
    } catch (weft::connect_error const& e) {
        auto const& all = e.attempts();
        if (std::any_of(all.begin(), all.end(), [](auto const& a) { return of_capacity(a.error); })) throw no_descriptors();
        failed(b, all.empty() ? "it has no address" : all.back().error.message());
    } catch (boost::system::system_error const& e) {  // the look-up
        if (of_capacity(e.code())) throw no_descriptors();
        failed(b, e.code().message());
    } catch (weft::too_slow_error const&) {
        failed(b, "no answer in time");
    }
    return std::nullopt;
}

std::optional<tcp::socket> backends::connect() {
    auto give_up = weft::current_time() + limit_;
    std::optional<counted> waiting;
    for (;;) {
        try {
            for (backend* b : in_turn()) if (auto socket = connect_to(*b)) return socket;
            return std::nullopt;
        } catch (no_descriptors) {
            // Connections that are relayed will give theirs back. If there are none, nobody will.
            if (books_.relaying == 0 || weft::current_time() >= give_up) return std::nullopt;
        }
        if (!waiting) waiting.emplace(books_.without_descriptor);
        weft::this_task::sleep_for(50ms);
    }
}

}  // namespace proxy
