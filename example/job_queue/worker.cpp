// SPDX-License-Identifier: BSL-1.0
#include "worker.hpp"

#include <weft/net/signals.hpp>
#include <weft/weft.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace job_queue {

using namespace std::chrono_literals;

namespace {

/// Of an error, or of the first one in a group.
std::string reason(std::exception const& e) {
    auto* group = dynamic_cast<weft::exception_group const*>(&e);
    if (!group) return e.what();
    try { std::rethrow_exception(group->exceptions().front()); } catch (std::exception const& inner) { return reason(inner); }
    return e.what();
}

}  // namespace

worker::worker(store& s, board& b, worker_options o, handler h) : store_(s), board_(b), options_(std::move(o)), handler_(std::move(h)) {
    auto ends = weft::make_channel<char>(options_.workers);
    wake_ = std::move(ends.sender);
    woken_ = std::move(ends.receiver);
}

work_report worker::run() {
    weft::with_signals({SIGTERM, SIGINT}, [&](weft::signal_receiver& signals) {
        weft::with_nursery({.name = "workers"}, [&](weft::nursery& n) {
            for (std::size_t i = 0; i < options_.workers; ++i) n.start_soon("worker", [&] { work(); });
            n.start_service("listener", [&] { listen(); });
            n.start_service("signals", [&] {
                signals.receive();
                stop_.set();
                std::fprintf(stderr, "job_queue: no further jobs; %ld ms for those under way\n", static_cast<long>(options_.grace.count()));
                weft::with_nursery([&](weft::nursery& impatient) {
                    impatient.start_service("second signal", [&] { signals.receive(); n.cancel("a second signal"); });
                    report_.in_time = n.shutdown(options_.grace).in_time();
                });
            });
        });
    });
    return report_;
}

void worker::work() {
    while (!stop_.is_set()) {
        try {
            board_.wait_turn();
            if (stop_.is_set()) return;
            if (auto j = claim()) perform(*j);
            else wait_for_jobs();
        } catch (postgres::error const& e) {  // the database is away, or restarts: the leases take care of the jobs
            std::fprintf(stderr, "job_queue: %s\n", e.what());
            weft::this_task::sleep_for(500ms);
        }
    }
}

/// Shielded: a claim whose answer is thrown away would hide the job until its lease ends. perform() meets the cancellation, and gives
/// the job back.
std::optional<job> worker::claim() {
    weft::cancel_scope s("claim a job");
    s.set_shield(true);
    s.set_deadline_after(5s);
    auto claimed = s.run([&] { return store_.claim(options_.lease); });
    return claimed ? std::move(*claimed) : std::nullopt;
}

void worker::perform(job const& j) {
    try {
        weft::with_nursery({.name = "job"}, [&](weft::nursery& n) {
            n.start_service("lease", [&] {
                for (;;) {
                    weft::this_task::sleep_for(options_.lease / 3);
                    store_.extend(j, options_.lease);
                }
            });
            handler_(j, [&](int percent) { board_.progress(j.id, percent); });
            store_.finish(j, options_.name);
        });
    } catch (weft::cancelled const&) {
        give_back(j);
        throw;
    } catch (weft::exception_group const& g) {
        failed(j, g);
        return;
    }
    ++report_.done;
    board_.forget(j.id);
    board_.count("done");
}

void worker::failed(job const& j, weft::exception_group const& g) {
    // Without the lease it had no effect here. With an error of the database it is finished or not: its lease decides.
    bool lost = g.contains<lease_lost_error>();
    bool unknown = !lost && g.contains<postgres::error>();
    if (unknown) std::fprintf(stderr, "job_queue: job %ld: %s\n", j.id, reason(g).c_str());
    try {
        if (!lost && !unknown) store_.fail(j, reason(g));
    } catch (lease_lost_error const&) {
        lost = true;
    }
    if (lost) ++report_.lost;
    if (lost || unknown) return;
    ++report_.failed;
    board_.count("failed");
}

/// When the grace time is over. Shielded, as the scope is cancelled; if it does not work out, the lease ends by itself.
void worker::give_back(job const& j) {
    weft::cancel_scope s("give a job back");
    s.set_shield(true);
    s.set_deadline_after(5s);
    try {
        s.run([&] {
            if (!store_.give_back(j)) return;  // it was finished, in the last moment
            ++report_.returned;
            board_.count("returned");
        });
    } catch (std::exception const& e) {
        std::fprintf(stderr, "job_queue: job %ld waits for the end of its lease: %s\n", j.id, e.what());
    }
}

void worker::wait_for_jobs() {
    auto due = store_.next_due();
    if (!due && options_.until_empty) {
        stop_.set();
        return;
    }
    auto pause = std::clamp(due.value_or(options_.poll), milliseconds(1), options_.poll);
    weft::select(woken_.on_receive([](char) {}), stop_.on_set([] {}), weft::on_timeout(pause, [] {}));
}

/// Wakes a worker for each job that is said to be there; all of them after a time without a connection, when much may have been said.
void worker::listen() {
    for (;;) {
        try {
            postgres::connection c(options_.conninfo);
            c.listen(store_.channel());
            wake_all();
            for (;;) {
                long jobs = std::atol(c.wait_notification().payload.c_str());
                for (long i = 0; i < jobs && wake_.try_send(0); ++i) {}
            }
        } catch (postgres::error const& e) {
            std::fprintf(stderr, "job_queue: listener: %s\n", e.what());
        }
        weft::this_task::sleep_for(500ms);
    }
}

void worker::wake_all() {
    while (wake_.try_send(0)) {}
}

}  // namespace job_queue
