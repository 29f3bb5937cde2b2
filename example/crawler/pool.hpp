// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_POOL_HPP
#define CRAWLER_POOL_HPP

#include <weft/weft.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace crawler {

/// A connection to one site, and what was read ahead on it.
struct connection {
    boost::asio::ip::tcp::socket socket;
    boost::beast::flat_buffer buffer;
    bool used{};  ///< for a request before this one: the site may have closed it meanwhile
};

/// The connections to one site: at most so many at once, kept open between requests.
class connection_pool {
public:
    connection_pool(std::string host, std::uint16_t port, std::size_t most) : host_(std::move(host)), port_(port), places_(most, host_) {}

    /// One of the places, and the connection on it. The connection is closed with this, unless it was kept: whatever happens to a request,
    /// no half-read answer is left for the next one.
    class place {
    public:
        /// Blocks: until there is one. Throws: cancelled.
        explicit place(connection_pool& pool) : pool_(pool), held_(pool.places_) {}
        /// One that was kept, or a new one. Blocks: to connect. Throws: as connect_tcp.
        connection& open();
        void drop() { connection_.reset(); }
        /// The exchange has ended in order: the connection may serve the next one.
        void keep();

    private:
        connection_pool& pool_;
        weft::capacity_limiter::scoped held_;
        std::unique_ptr<connection> connection_;
    };

    std::uint64_t connections() const noexcept { return opened_; }

private:
    std::string host_;
    std::uint16_t port_;
    weft::capacity_limiter places_;
    std::vector<std::unique_ptr<connection>> idle_;  // the one that was used last is taken first: the others may die of age
    std::uint64_t opened_{};
};

}  // namespace crawler

#endif
