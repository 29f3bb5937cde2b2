// SPDX-License-Identifier: BSL-1.0
// The watched thread says what it does by a few relaxed stores a step; the watchdog's thread looks whether that has moved since. Only when it has not,
// for as long as the threshold, is /proc asked: no signal, which would end a blocking call early, and no lock.
#include <weft/inspect/watchdog.hpp>

#include <weft/core/instrument.hpp>

#include "core/kernel.hpp"
#include "inspect/blocking_call.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include <unistd.h>

namespace weft {
namespace detail {

/// What the run's thread is doing: written by it, read by the watchdog's. A reader that finds another `moves` afterwards has read nothing.
class step_pulse {
public:
    void begin(task_info const& t) noexcept {
        moves_.fetch_add(1, std::memory_order_acq_rel);
        std::array<char, name_words * 8> text{};
        t.name.copy(text.data(), text.size() - 1);
        for (std::size_t i = 0; i < name_words; ++i) {
            std::uint64_t word;
            std::memcpy(&word, text.data() + 8 * i, 8);
            name_[i].store(word, std::memory_order_relaxed);
        }
        id_.store(t.id, std::memory_order_release);
    }
    void end() noexcept {
        moves_.fetch_add(1, std::memory_order_acq_rel);
        id_.store(0, std::memory_order_release);
    }
    std::uint64_t moves() const noexcept { return moves_.load(std::memory_order_acquire); }
    std::uint64_t id() const noexcept { return id_.load(std::memory_order_acquire); }
    std::string name() const {
        std::array<char, name_words * 8> text;
        for (std::size_t i = 0; i < name_words; ++i) {
            std::uint64_t word = name_[i].load(std::memory_order_relaxed);
            std::memcpy(text.data() + 8 * i, &word, 8);
        }
        return text.data();
    }

private:
    static constexpr std::size_t name_words = 6;
    std::atomic<std::uint64_t> moves_{0};
    std::atomic<std::uint64_t> id_{0};  ///< of the task whose step is under way; 0 between steps
    std::array<std::atomic<std::uint64_t>, name_words> name_{};
};

/// Five a minute, and then a number.
class stall_printer {
public:
    void operator()(inspect::stall const& s) {
        auto now = std::chrono::steady_clock::now();
        if (now - minute_ >= std::chrono::minutes(1)) {
            if (left_out_) std::fprintf(stderr, "warning[W111]: %zu more stalls in the minute before\n", left_out_);
            minute_ = now;
            printed_ = left_out_ = 0;
        }
        if (++printed_ > 5) { ++left_out_; return; }
        std::fputs(s.message().c_str(), stderr);
    }

private:
    std::chrono::steady_clock::time_point minute_{};
    std::size_t printed_{};
    std::size_t left_out_{};
};

}  // namespace detail

namespace inspect {

class watchdog::watcher final : public instrument {
public:
    watcher(watchdog_options options, pid_t watched) : options_(std::move(options)), watched_(watched) {
        if (!options_.report) options_.report = detail::stall_printer{};
        thread_ = std::thread([this] { watch(); });
    }
    ~watcher() override { stop(); }

    void stop() noexcept {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        stopped_.notify_one();
        if (thread_.joinable()) thread_.join();
    }

    bool watches_io_waits() const noexcept override { return false; }
    void before_task_step(task_info const& t) override { pulse_.begin(t); }
    void after_task_step(task_info const&) override { pulse_.end(); }
    void after_run() override { stop(); }

private:
    using clock = std::chrono::steady_clock;
    void watch() noexcept {
        auto const period = options_.threshold / 4;
        std::uint64_t moves = pulse_.moves();
        std::string place;  // of a callback
        clock::time_point since = clock::now();
        bool reported = false;
        std::unique_lock lock(mutex_);
        while (!stopped_.wait_for(lock, period, [this] { return stopping_; })) {
            auto now = clock::now();
            if (pulse_.moves() != moves) {
                moves = pulse_.moves();
                since = now;
                reported = false;
                place.clear();
                continue;
            }
            if (reported || now - since < options_.threshold) continue;
            if (pulse_.id() != 0) reported = report_step(moves, now - since);
            else reported = report_callback(moves, place, now, since);
        }
    }

    bool report_step(std::uint64_t moves, duration held) {
        stall s;
        s.id = pulse_.id();
        s.task = pulse_.name();
        thread_place p = place_of(watched_);
        if (pulse_.moves() != moves) return false;
        tell(s, p, held);
        return true;
    }

    /// Between steps the loop waits, or runs callbacks, one or many: only one call that lasts is a stall.
    bool report_callback(std::uint64_t moves, std::string& place, clock::time_point now, clock::time_point& since) {
        thread_place p = place_of(watched_);
        if (pulse_.moves() != moves) return false;
        bool blocks = p.known && !p.computes && p.number >= 0 && !waits_for_events(p.number);
        if (!blocks || p.text != place) {
            place = blocks ? p.text : std::string();
            since = now;
            return false;
        }
        tell({}, p, now - since);
        return true;
    }

    void tell(stall s, thread_place const& p, duration held) {
        s.for_at_least = held;
        s.computes = p.known && p.computes;
        if (s.computes) s.help = "weft::checkpoint() now and then, or weft::to_thread([&] { ... }) around it";
        else if (p.known && p.number >= 0) {
            blocking_call c = blocking_call_of(p.number);
            s.call = std::move(c.name);
            s.help = c.help;
        } else s.help = "weft::to_thread([&] { ... }) around what takes so long";
        options_.report(s);
    }

    watchdog_options options_;
    pid_t watched_;
    detail::step_pulse pulse_;
    std::mutex mutex_;
    std::condition_variable stopped_;
    bool stopping_{};
    std::thread thread_;
};

std::string stall::message() const {
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(for_at_least).count();
    std::string s = "warning[W111]: ";
    if (id == 0) s += "a callback";
    else s += "task #" + std::to_string(id) + (task.empty() ? "" : " \"" + task + "\"");
    s += " has held its thread for " + std::to_string(ms) + " ms, and still does";
    if (!call.empty()) s += ", in " + call + "()";
    else if (computes) s += ", computing";
    return s + "\n  because: until it waits or ends, no other task, callback or deadline of the run has its turn.\n  help: " + help + ".\n";
}

watchdog::watchdog(watchdog_options options) {
    if (!detail::this_kernel) detail::throw_outside("inspect::watchdog");
    if (options.threshold < std::chrono::milliseconds(1)) {
        detail::throw_misuse("inspect::watchdog with a threshold of less than 1 ms", "a millisecond is the least; 100 ms are the default.");
    }
    watcher_ = std::make_shared<watcher>(std::move(options), ::gettid());
    if (detail::task_record* t = detail::this_kernel->current()) watcher_->before_task_step({t->id_, t->name_.get()});  // its step has begun
    detail::this_kernel->add_instrument(watcher_);
}

watchdog::~watchdog() {
    if (detail::this_kernel) detail::this_kernel->remove_instrument(*watcher_);
    watcher_->stop();
}

}  // namespace inspect
}  // namespace weft
