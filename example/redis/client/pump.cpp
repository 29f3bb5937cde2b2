// SPDX-License-Identifier: BSL-1.0
#include "redis/client/pump.hpp"

#include <weft/core/clock.hpp>
#include <weft/core/task.hpp>
#include <weft/task/exception_group.hpp>

#include <algorithm>
#include <random>

namespace redis {
namespace {

constexpr std::size_t batch_bytes = 64 * 1024;  // about what a socket takes at once

/// The text of the first error in a group, which is the one that ended the connection.
std::string reason(std::exception const& e) {
    auto* group = dynamic_cast<weft::exception_group const*>(&e);
    if (!group) return e.what();
    try { std::rethrow_exception(group->exceptions().front()); } catch (std::exception const& inner) { return reason(inner); }
    return e.what();
}

}  // namespace

pump::pump(client_options o) : options_(std::move(o)), room_(static_cast<std::ptrdiff_t>(options_.max_pending), "redis::client") {
    // Without a limit of its own: room_ is the limit, and lasts until the reply.
    auto ends = weft::make_unbounded_channel<request_ptr>({.name = "redis requests"});
    queue_ = std::move(ends.sender);
    unsent_ = std::move(ends.receiver);
}

std::vector<value> pump::call(std::string bytes, std::size_t replies) {
    auto check = [&] { if (ended_) throw weft::closed_resource_error("redis: the client's nursery has ended"); };
    check();
    room_.acquire();
    request_ptr r;
    try {
        check();
        r = std::make_shared<pending_request>();
        r->bytes = std::move(bytes);
        r->wanted = replies;
        queue_.try_send(r);
    } catch (...) {
        room_.release();
        throw;
    }
    ++counts_.requests;
    ++counts_.pending;
    struct leaving { pending_request& r; ~leaving() { r.left = true; } } at_end{*r};
    r->done.wait();
    if (r->error) std::rethrow_exception(r->error);
    return std::move(r->replies);
}

void pump::run() {
    struct ending { pump& p; ~ending() { p.end(); } } at_end{*this};
    std::minstd_rand random(std::random_device{}());
    auto backoff = options_.min_backoff;
    for (;;) {
        bool connected = false;
        try {
            link l(options_);
            connected = true;
            backoff = options_.min_backoff;
            ++counts_.connections;
            serve(l);
        } catch (std::exception const& e) {
            counts_.connected = false;
            counts_.last_error = reason(e);
            fail_all(counts_.last_error, connected);
        }
        // Spread, so that many clients of a server that comes back do not come all at once.
        weft::this_task::sleep_for(backoff * std::uniform_real_distribution<>(0.5, 1.0)(random));
        backoff = std::min(2 * backoff, options_.max_backoff);
    }
}

void pump::serve(link& l) {
    counts_.connected = true;
    weft::with_nursery({.name = "redis connection"}, [&](weft::nursery& n) {
        n.start_soon("redis writer", [&] { write(l); });
        n.start_soon("redis reader", [&] { read(l); });
        n.start_soon("redis watch", [&] { watch(); });
    });
}

void pump::write(link& l) {
    std::string batch;
    for (;;) {
        std::optional<request_ptr> next = unsent_.receive();
        batch.clear();
        for (; next; next = batch.size() < batch_bytes ? unsent_.try_receive() : std::nullopt) {
            pending_request& r = **next;
            if (r.left) { finish(r, nullptr); continue; }
            r.sent = weft::current_time();
            batch += r.bytes;
            r.bytes = {};
            in_flight_.push_back(std::move(*next));
        }
        if (batch.empty()) continue;
        ++counts_.writes;
        l.write(batch);
    }
}

void pump::read(link& l) {
    for (;;) {
        value v = l.read();
        if (v.type == value::kind::push) continue;  // nobody subscribes here
        if (in_flight_.empty()) throw protocol_error("redis: the server sent a reply that nobody has asked for");
        pending_request& r = *in_flight_.front();
        if (!r.left) r.replies.push_back(std::move(v));
        if (--r.wanted > 0) continue;
        request_ptr done = std::move(in_flight_.front());
        in_flight_.pop_front();
        finish(*done, nullptr);
    }
}

/// A peer that is gone without a word sends no error: the replies just do not come.
void pump::watch() {
    for (;;) {
        weft::this_task::sleep_for(options_.reply_limit / 4);
        if (!in_flight_.empty() && weft::current_time() - in_flight_.front()->sent > options_.reply_limit)
            throw error("no reply in time");
    }
}

void pump::finish(pending_request& r, std::exception_ptr error) {
    r.error = std::move(error);
    r.done.set();
    --counts_.pending;
    room_.release();
}

void pump::fail_all(std::string const& why, bool connected) {
    auto unsent = connected ? std::make_exception_ptr(connection_lost_error(why, false)) : std::make_exception_ptr(connect_error(why));
    auto sent = std::make_exception_ptr(connection_lost_error(why, true));
    while (!in_flight_.empty()) {
        request_ptr r = std::move(in_flight_.front());
        in_flight_.pop_front();
        finish(*r, sent);
    }
    while (auto r = unsent_.try_receive()) finish(**r, unsent);
}

void pump::end() {
    ended_ = true;
    fail_all("the client's nursery has ended", true);
    counts_.connected = false;
}

client_statistics pump::statistics() const { return counts_; }

}  // namespace redis
