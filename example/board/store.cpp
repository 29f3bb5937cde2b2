// SPDX-License-Identifier: BSL-1.0
#include "store.hpp"

#include <weft/core/task.hpp>

#include <chrono>
#include <random>

namespace board {
namespace {

std::int64_t milliseconds_since_1970() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

store::store(limits const& l) : limits_(l), name_(std::to_string(std::random_device{}())) {
    auto [tx, rx] = weft::make_broadcast<frame>({.capacity = l.behind, .lag = weft::lag_policy::skip, .name = "board"});
    out_ = std::move(tx);
    auto [count, seen] = weft::make_watch<std::size_t>(0);
    count_ = std::move(count);
    seen_ = std::move(seen);
}

message const& store::post(draft d) {
    draft fine = checked(std::move(d));
    kept k{{next_, milliseconds_since_1970(), std::move(fine.name), std::move(fine.text)}, {}};
    k.json = to_json(k.what);
    frame f = "{\"type\":\"message\",\"message\":" + k.json + '}';
    kept_.push_back(std::move(k));
    ++next_;
    if (kept_.size() > limits_.history) kept_.pop_front();
    if (out_.is_open()) out_.try_send(std::move(f));
    return kept_.back().what;
}

std::string store::after(std::uint64_t id) const {
    std::uint64_t oldest = next_ - kept_.size();
    std::string out = "[";
    for (std::size_t i = id < oldest ? 0 : id < next_ ? id - oldest + 1 : kept_.size(); i < kept_.size(); ++i) {
        if (out.size() > 1) out += ',';
        out += kept_[i].json;
    }
    return out += ']';
}

std::string store::history(std::uint64_t id) const {
    return "{\"type\":\"history\",\"board\":" + quoted(name_) + ",\"last\":" + std::to_string(last()) + ",\"people\":" + std::to_string(people_) + ",\"messages\":" + after(id) + '}';
}

store::present::~present() {
    --store_.people_;
    try { store_.count_.send(store_.people_); } catch (std::bad_alloc const&) {}  // the next change reports it
}

void store::report_presence() {
    for (;;) {
        seen_.changed();
        if (out_.is_open()) out_.try_send("{\"type\":\"people\",\"people\":" + std::to_string(people_) + '}');
        weft::this_task::sleep_for(limits_.presence);
    }
}

}  // namespace board
