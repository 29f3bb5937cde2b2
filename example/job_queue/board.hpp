// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_JOB_QUEUE_BOARD_HPP
#define EXAMPLE_JOB_QUEUE_BOARD_HPP

#include "redis/client/client.hpp"

#include <optional>
#include <string>

namespace job_queue {

/// What may be lost: progress, counters and the rate limit of all workers of a queue, in Redis.
///
/// A Redis that is slow or gone holds up no job: each call has a limit, and an error is counted and forgotten. Without it there is no rate limit.
class board {
public:
    /// rate: jobs started a second, by all processes together; 0: no limit. Blocks: until Redis answers, or for a second.
    board(weft::nursery& n, redis::client_options o, std::string name, long rate);

    /// Waits until another job may be started. Cancellation: takes no turn that is not used up with its second anyway.
    void wait_turn();
    void progress(long job, int percent);
    void forget(long job);
    void count(char const* what);              ///< "done", "failed", "returned"
    std::optional<long> counter(char const* what);  ///< empty if Redis does not answer
    std::size_t failures() const noexcept { return failures_; }
    void clear();

private:
    std::optional<redis::value> ask(redis::command c);
    std::string key(std::string const& k) const { return "weft:jobs:" + name_ + ":" + k; }

    redis::client client_;
    std::string const name_;
    long const rate_;
    std::size_t failures_{};
};

}  // namespace job_queue

#endif
