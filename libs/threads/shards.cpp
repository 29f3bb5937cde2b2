// SPDX-License-Identifier: BSL-1.0
#include <weft/threads/shards.hpp>

#include <weft/core/lowlevel.hpp>
#include <weft/task/exception_group.hpp>

#include "core/kernel.hpp"

#include <mutex>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

namespace weft {

run_token const& shard::on(unsigned index) const {
    if (index >= count_) detail::throw_misuse("shard::on of an index that no shard has", "pass 0 to count() - 1.");
    return tokens_[index];
}

namespace {

void pin_to_processor(unsigned index) noexcept {
    cpu_set_t all, one;
    if (::sched_getaffinity(0, sizeof all, &all) != 0) return;
    unsigned wanted = index % static_cast<unsigned>(CPU_COUNT(&all));
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &all) || wanted-- != 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        static_cast<void>(::sched_setaffinity(0, sizeof one, &one));
        return;
    }
}

/// All shards of one shards::run, in the caller's frame.
class group {
public:
    group(unsigned n, shards_options const& o, std::function<void(shard&)> const& f) : options_(o), f_(f), members_(n), tokens_(n) {}

    void run() {
        std::size_t started = 0;
        try {
            for (; started < members_.size(); ++started) members_[started].thread = std::thread([this, i = static_cast<unsigned>(started)] { thread_main(i); });
        } catch (...) {
            { std::lock_guard lock(mutex_); errors_.push_back(std::current_exception()); }
            std::size_t missing = members_.size() - started;
            {
                std::lock_guard lock(queue_.lock());
                running_ -= missing;
                over_ = running_ == 0;
            }
            arrive(missing);
        }
        bool cancelled = wait();
        for (auto& m : members_) if (m.thread.joinable()) m.thread.join();
        if (!errors_.empty()) throw exception_group("shards", std::move(errors_));
        if (cancelled) lowlevel::raise_cancelled();
    }

private:
    struct member {
        std::thread thread;
        cancel_scope* scope{};  // the member's own thread only: null before and after its main task
        bool cancelled{};       // likewise: asked before the scope was there
    };

    // Waits for the end of all; true if the calling task was cancelled meanwhile.
    bool wait() {
        bool cancelled = false;
        std::unique_lock lock(queue_.lock());
        while (!over_) {
            detail::waiter w("shards::run", true);
            auto s = queue_.wait(lock, w, {.reason = {"shards", nullptr, nullptr}, .cancellable = !cancelled});
            if (s == detail::wait_state::cancelled) {
                cancelled = true;
                cancel_when_up("the caller of shards::run was cancelled");
            }
            lock.lock();
        }
        return cancelled;
    }

    void thread_main(unsigned i) {
        if (options_.pin_threads) pin_to_processor(i);
        run_options o = options_.run;
        o.name += " shard " + std::to_string(i);
        bool up = false;
        try {
            weft::run(o, [&] { up = true; shard_main(i); });
        } catch (...) {
            fail(std::current_exception());
        }
        if (!up) arrive(1);
        std::unique_lock lock(queue_.lock());
        over_ = --running_ == 0;
        detail::waiter* w = over_ ? queue_.take() : nullptr;
        lock.unlock();
        if (w) w->wake();
    }

    void shard_main(unsigned i) {
        tokens_[i] = current_token();
        cancel_scope scope("shard " + std::to_string(i));
        struct entered {
            member& m;
            entered(member& mm, cancel_scope& s) : m(mm) { m.scope = &s; if (m.cancelled) s.cancel("another shard failed"); }
            ~entered() { m.scope = nullptr; }
        } in(members_[i], scope);
        scope.run([&] {
            arrive(1);
            std::unique_lock lock(up_.lock());
            if (!all_up_) {
                detail::waiter w("shards::run", true);
                if (up_.wait(lock, w, {.reason = {"the other shards", nullptr, nullptr}}) == detail::wait_state::cancelled) lowlevel::raise_cancelled();
            } else {
                lock.unlock();
            }
            lowlevel::cancel_point();
            shard s(i, static_cast<unsigned>(members_.size()), tokens_.data());
            f_(s);
        });
    }

    // So many more are up, or will never be.
    void arrive(std::size_t count) {
        std::unique_lock lock(up_.lock());
        arrived_ += count;
        if (arrived_ < members_.size()) return;
        all_up_ = true;
        char const* why = cancel_wanted_;
        up_.wake_all(lock);
        if (!why && failed()) why = "another shard failed";
        if (why) cancel_all(why);
    }

    void fail(std::exception_ptr e) {
        { std::lock_guard lock(mutex_); errors_.push_back(std::move(e)); }
        cancel_when_up("another shard failed");
    }

    void cancel_when_up(char const* why) {
        {
            std::lock_guard lock(up_.lock());
            if (!all_up_) { cancel_wanted_ = why; return; }
        }
        cancel_all(why);
    }

    // Any thread, once all that start have started: their tokens are there.
    void cancel_all(char const* why) {
        for (unsigned i = 0; i < members_.size(); ++i) {
            if (!tokens_[i]) continue;
            static_cast<void>(tokens_[i].try_post([&m = members_[i], why] {
                m.cancelled = true;
                if (m.scope) m.scope->cancel(why);
            }));
        }
    }

    bool failed() { std::lock_guard lock(mutex_); return !errors_.empty(); }

    shards_options const& options_;
    std::function<void(shard&)> const& f_;
    std::vector<member> members_;
    std::vector<run_token> tokens_;      // each written by its shard before all_up_, read afterwards
    std::mutex mutex_;
    std::vector<std::exception_ptr> errors_;  // guarded by mutex_
    detail::wait_queue<detail::spin_lock> up_;
    std::size_t arrived_{};              // guarded by up_
    bool all_up_{};                      // guarded by up_
    char const* cancel_wanted_{};        // guarded by up_: asked before all were up
    detail::wait_queue<detail::spin_lock> queue_;
    std::size_t running_{members_.size()};  // guarded by queue_
    bool over_{};                        // guarded by queue_
};

}  // namespace

void shards::run_all(unsigned n, shards_options const& options, std::function<void(shard&)> const& f) {
    if (options.run.oracle || options.run.clock) {
        detail::throw_misuse("shards_options::run has an oracle or a clock", "these belong to one run; leave them empty for shards.");
    }
    if (detail::waiter caller("shards::run", true); caller.task()) lowlevel::cancel_point();
    if (n == 0) n = std::max(1u, std::thread::hardware_concurrency());
    group g(n, options, f);
    g.run();
}

}  // namespace weft
