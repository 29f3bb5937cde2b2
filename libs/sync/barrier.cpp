// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/barrier.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/task/cancel_scope.hpp>

namespace weft::detail {

template <class L>
barrier_core<L>::~barrier_core() {
    std::lock_guard lock(queue_.lock());  // the last to arrive may be on its way out in another thread
    WEFT_ASSERT(queue_.empty(), "a barrier was destroyed with tasks or threads waiting for it");
}

namespace {
void run_completion(void (*complete)(void*) noexcept, void* arg) {
    if (!running_task) { complete(arg); return; }
    cancel_scope shield;  // `cancelled` must not leave a noexcept function
    shield.set_shield(true);
    shield.run([&] { complete(arg); });
}
}  // namespace

template <class L>
auto barrier_core<L>::arrive(std::ptrdiff_t n, bool drop, completion complete, void* arg) -> arrival {
    std::unique_lock lock(queue_.lock());
    if (n <= 0 || n > missing_) {
        lock.unlock();
        throw_misuse("more arrivals at a barrier than its phase expects, or none", "make the barrier with the number of its participants; each arrives once a phase.");
    }
    std::uint64_t phase = phase_;
    if (drop) --expected_;
    missing_ -= n;
    if (missing_ > 0) return {phase, false};
    if (complete) {
        lock.unlock();
        run_completion(complete, arg);
        lock.lock();
    }
    missing_ = expected_;
    ++phase_;
    queue_.wake_all(lock);  // who is woken may destroy this
    return {phase, true};
}

template <class L>
void barrier_core<L>::wait(std::uint64_t phase) {
    waiter w("barrier::wait", L::shared);
    if (w.task()) lowlevel::cancel_point();
    wait(w, phase);
}

template <class L>
void barrier_core<L>::arrive_and_wait(completion complete, void* arg) {
    waiter w("barrier::arrive_and_wait", L::shared);  // first: it throws where nobody may wait
    if (w.task()) lowlevel::cancel_point();
    arrival a = arrive(1, false, complete, arg);
    if (!a.last) wait(w, a.phase);
    else if (w.task()) yield_shielded();
}

template <class L>
void barrier_core<L>::wait(waiter& w, std::uint64_t phase) {
    std::unique_lock lock(queue_.lock());
    if (phase_ != phase) {
        lock.unlock();
        if (w.task()) yield_shielded();
        return;
    }
    if (queue_.wait(lock, w, {.reason = {name_ ? name_ : "barrier", this, &describe}}) == wait_state::cancelled) lowlevel::raise_cancelled();
}

template <class L>
barrier_statistics barrier_core<L>::statistics() const noexcept {
    std::lock_guard lock(queue_.lock());
    return {expected_, missing_, phase_, queue_.size()};
}

template <class L>
std::string barrier_core<L>::describe(void const* self) {
    return std::to_string(static_cast<barrier_core const*>(self)->statistics().missing) + " to come";
}

template class barrier_core<spin_lock>;
template class barrier_core<no_lock>;

}  // namespace weft::detail
