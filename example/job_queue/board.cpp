// SPDX-License-Identifier: BSL-1.0
#include "board.hpp"

#include <weft/core/task.hpp>
#include <weft/task/timeouts.hpp>

#include <chrono>
#include <cstdlib>

namespace job_queue {

using namespace std::chrono_literals;

board::board(weft::nursery& n, redis::client_options o, std::string name, long rate) : client_(n, std::move(o)), name_(std::move(name)), rate_(rate) {
    ask({"PING"});  // so that connected means something from now on
}

std::optional<redis::value> board::ask(redis::command c) {
    auto now = client_.statistics();
    if (!now.connected && now.connections + failures_ > 0) {  // it has been tried: nobody waits for the next attempt
        ++failures_;
        return std::nullopt;
    }
    try {
        auto r = weft::move_on_after(1s, [&] { return client_.request(std::move(c)); });
        if (!r) ++failures_;
        return r;
    } catch (redis::error const&) {
        ++failures_;
        return std::nullopt;
    }
}

void board::wait_turn() {
    while (rate_ > 0) {
        auto now = std::chrono::system_clock::now().time_since_epoch();
        auto second = std::chrono::floor<std::chrono::seconds>(now);
        std::string window = key("rate:" + std::to_string(second.count()));
        auto turn = ask({"INCR", window});
        if (!turn) return;
        if (turn->integer == 1) ask({"EXPIRE", window, "10"});
        if (turn->integer <= rate_) return;
        weft::this_task::sleep_for(second + 1s - now);
    }
}

void board::progress(long job, int percent) { ask({"HSET", key("progress"), std::to_string(job), std::to_string(percent)}); }
void board::forget(long job) { ask({"HDEL", key("progress"), std::to_string(job)}); }
void board::count(char const* what) { ask({"INCR", key(what)}); }

std::optional<long> board::counter(char const* what) {
    auto v = ask({"GET", key(what)});
    if (!v) return std::nullopt;
    return v->is_null() ? 0 : std::atol(v->text.c_str());
}

void board::clear() { ask({"DEL", key("progress"), key("done"), key("failed"), key("returned")}); }

}  // namespace job_queue
