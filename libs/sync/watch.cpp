// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/detail/watch_core.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>

namespace weft::detail {

void throw_closed_watch(char const* call) {
    throw_misuse((std::string(call) + " on a handle that was closed, moved from or default-constructed").c_str(), "use what make_watch, clone() or subscribe() returned, and close it last.");
}

void throw_watch_ended() {
    throw end_of_channel(message("W087", "watch_receiver::changed: no sender is left" + in_task(), "the latest value will stay what it is.", "end the loop that follows the watch."));
}

template <class L>
watch_core<L>::~watch_core() {
    WEFT_ASSERT(waiters_.empty(), "a watch was destroyed with somebody waiting for a change");
}

template <class L>
void watch_core<L>::retain_sender() noexcept {
    std::lock_guard lock(guard());
    ++senders_;
    hold();
}

template <class L>
void watch_core<L>::retain_receiver() noexcept {
    std::lock_guard lock(guard());
    ++receivers_;
    hold();
}

template <class L>
void watch_core<L>::release_sender() noexcept {
    {
        std::unique_lock lock(guard());
        if (--senders_ == 0) waiters_.wake_all(lock);
    }
    release();
}

template <class L>
void watch_core<L>::release_receiver() noexcept {
    {
        std::lock_guard lock(guard());
        --receivers_;
    }
    release();
}

template <class L>
std::size_t watch_core<L>::receivers() noexcept {
    std::lock_guard lock(guard());
    return receivers_;
}

template <class L>
std::uint64_t watch_core<L>::version() noexcept {
    std::lock_guard lock(guard());
    return version_;
}

template <class L>
void watch_core<L>::publish(std::unique_lock<L>& lock) noexcept {
    ++version_;
    waiters_.wake_all(lock);
}

template <class L>
bool watch_core<L>::wait_change(std::uint64_t& seen, time_point deadline) {
    bool task = begin_operation("watch_receiver::changed", L::shared);
    std::unique_lock lock(guard());
    bool waits = !differs(seen);
    if (waits) {
        waiter w("watch_receiver::changed", L::shared);
        wait_state s = waiters_.wait(lock, w, {.reason = {"change of a watch", this, &describe}, .deadline = deadline});
        if (s == wait_state::cancelled) lowlevel::raise_cancelled();
        if (s == wait_state::timed_out) return false;
        lock.lock();
    }
    bool over = ended(seen);
    seen = version_;
    lock.unlock();
    if (over) throw_watch_ended();
    if (task && !waits) yield_shielded();
    return true;
}

template <class L>
std::string watch_core<L>::describe(void const* core) {
    auto& w = *static_cast<watch_core*>(const_cast<void*>(core));
    std::lock_guard lock(w.guard());
    return std::to_string(w.senders_) + (w.senders_ == 1 ? " sender" : " senders");
}

template class watch_core<no_lock>;
template class watch_core<spin_lock>;

}  // namespace weft::detail
