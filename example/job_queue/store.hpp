// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_JOB_QUEUE_STORE_HPP
#define EXAMPLE_JOB_QUEUE_STORE_HPP

#include "postgres/client/pool.hpp"

#include <weft/core/errors.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace job_queue {

using std::chrono::milliseconds;

/// A job that this process works on, as long as the lease is its own.
struct job {
    long id{};
    std::string payload;
    int attempt{};      ///< 1 for the first
    std::string lease;  ///< a number that no other claim of any job has
};

/// Somebody else has the job now: the lease ran out before it was extended.
struct lease_lost_error : weft::error { using error::error; };

/// How many jobs are in which state.
struct job_counts {
    long ready{}, running{}, done{}, dead{};
    long effects{};         ///< what the jobs have done, counted
    long jobs_with_effect{};  ///< is the same number, unless something was done twice
};

/// The jobs in PostgreSQL. Every change of a job's state is one statement or one transaction.
///
/// Invariant: a job is `running` with a lease that has an end. Who holds the lease extends it; if it ends, anybody may claim the job.
/// So a process that dies loses nothing, and one that only believed to live has no effect: finish() needs the lease.
class store {
public:
    store(postgres::pool& p, std::string schema);

    void create();  ///< the tables, anew
    void add(std::string_view payload, long count, int max_attempts);
    /// The job that is due first, or empty. Several processes and tasks may ask at once: none waits for another, none gets the same job.
    std::optional<job> claim(milliseconds lease);
    /// Throws: lease_lost_error.
    void extend(job const& j, milliseconds lease);
    /// The job's effect and its end, in one transaction: both or none. Throws: lease_lost_error; postgres::commit_unknown_error, and then
    /// the job is either done or will be claimed again.
    void finish(job const& j, std::string_view worker);
    /// Tried again after a pause that doubles with each attempt, until max_attempts.
    void fail(job const& j, std::string_view error);
    /// As if it had not been claimed. Whether the lease was still there.
    bool give_back(job const& j);
    /// Until the next job is due or the next lease ends; empty if there is none.
    std::optional<milliseconds> next_due();
    job_counts counts();

    std::string const& channel() const noexcept { return schema_; }  ///< notified when a job becomes ready

private:
    postgres::pool& pool_;
    std::string const schema_;
};

}  // namespace job_queue

#endif
