// SPDX-License-Identifier: BSL-1.0
// What is behind a client: the requests, one writer, one reader.
#ifndef EXAMPLE_REDIS_CLIENT_PUMP_HPP
#define EXAMPLE_REDIS_CLIENT_PUMP_HPP

#include "redis/client/client.hpp"

#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/semaphore.hpp>

#include <deque>
#include <exception>

namespace redis {

/// One caller's commands, and their replies. Shared, as the caller may leave before the replies come.
struct pending_request {
    std::string bytes;
    std::size_t wanted{};        ///< replies
    std::vector<value> replies;
    std::exception_ptr error;
    weft::event done{"redis reply"};
    weft::time_point sent{weft::never};
    bool left{};                 ///< nobody waits any more: not sent if it was not, and its replies are dropped
};

/// Invariant: replies come in the order of in_flight_, which is the order of the bytes on the connection. A request is there from before
/// its first byte is written until its last reply, whether somebody waits for it or not.
class pump {
public:
    explicit pump(client_options o);
    std::vector<value> call(std::string bytes, std::size_t replies);
    void run();  ///< the service
    client_statistics statistics() const;

private:
    using request_ptr = std::shared_ptr<pending_request>;
    void serve(link& l);
    void write(link& l);
    void read(link& l);
    void watch();
    void fail_all(std::string const& why, bool connected);
    void finish(pending_request& r, std::exception_ptr error);
    void end();

    client_options const options_;
    weft::local::counting_semaphore<> room_;
    weft::sender<request_ptr> queue_;
    weft::receiver<request_ptr> unsent_;
    std::deque<request_ptr> in_flight_;
    client_statistics counts_;
    bool ended_{};
};

}  // namespace redis

#endif
