// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_JOB_QUEUE_WORKER_HPP
#define EXAMPLE_JOB_QUEUE_WORKER_HPP

#include "board.hpp"
#include "store.hpp"

#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/exception_group.hpp>

#include <functional>
#include <string>

namespace job_queue {

struct worker_options {
    std::string conninfo{};                ///< of the listener's own connection
    std::string name{};                    ///< of this process
    std::size_t workers{4};                ///< jobs at once
    milliseconds lease{30'000};            ///< for which a job is invisible to others; extended while it is worked on
    milliseconds grace{10'000};            ///< from SIGTERM, for the jobs under way
    milliseconds poll{2'000};              ///< how long a notification that was lost can go unnoticed
    bool until_empty{};                    ///< ends when no job is ready or running
};

struct work_report {
    long done{}, failed{}, returned{}, lost{};
    bool in_time{true};  ///< all jobs under way ended within the grace time
};

/// Works on jobs until a signal (SIGTERM, SIGINT), or until the queue is empty.
class worker {
public:
    /// What a job does; it is cancelled when its lease is lost, or the grace time is over. `progress` takes percent.
    using handler = std::function<void(job const&, std::function<void(int)> const& progress)>;

    worker(store& s, board& b, worker_options o, handler h);
    work_report run();

private:
    void work();
    std::optional<job> claim();
    void perform(job const& j);
    void failed(job const& j, weft::exception_group const& g);
    void give_back(job const& j);
    void wait_for_jobs();
    void listen();
    void wake_all();

    store& store_;
    board& board_;
    worker_options const options_;
    handler const handler_;
    weft::sender<char> wake_;     // a token for each worker that should look
    weft::receiver<char> woken_;
    weft::event stop_{"stop"};    // no further job is claimed
    work_report report_;
};

}  // namespace job_queue

#endif
