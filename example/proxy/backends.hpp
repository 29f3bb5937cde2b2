// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_BACKENDS_HPP
#define PROXY_BACKENDS_HPP

#include "accounts.hpp"
#include "options.hpp"

#include <weft/core/time.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string>
#include <vector>

namespace proxy {

struct backend {
    address at;
    std::uint64_t connections{};
    std::uint64_t failures{};
    unsigned failures_in_a_row{};
    std::string last_failure;
    weft::time_point aside_until{};  ///< asked last until then
};

/// The backends, taken in turn. One that fails is set aside, for twice as long each time, and is asked meanwhile only if all the
/// others have failed: a mistaken suspicion costs time, not connections.
class backends {
public:
    backends(std::vector<address> const& all, std::chrono::milliseconds limit, accounts& books);

    /// A connection to one of them; empty if all have failed, or if there are no descriptors and none will become free.
    /// Blocks: yes. Cancellation: leaves no socket.
    std::optional<boost::asio::ip::tcp::socket> connect();

    std::vector<backend> const& list() const noexcept { return all_; }

private:
    std::optional<boost::asio::ip::tcp::socket> connect_to(backend& b);
    void failed(backend& b, std::string why);
    std::vector<backend*> in_turn();

    std::vector<backend> all_;
    std::chrono::milliseconds limit_;
    accounts& books_;
    std::size_t next_{};
};

}  // namespace proxy

#endif
