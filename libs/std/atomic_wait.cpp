// SPDX-License-Identifier: BSL-1.0
#include <weft/std/atomic_wait.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/detail/wait_queue.hpp>
#include <weft/core/lowlevel.hpp>

#include <array>
#include <cstdint>
#include <mutex>

namespace weft::detail {

namespace {

struct alignas(64) bucket { wait_queue<spin_lock> queue; };
constinit std::array<bucket, 64> buckets;  // a waiter's item: its address

wait_queue<spin_lock>& queue_of(void const* address) noexcept {
    auto bits = reinterpret_cast<std::uintptr_t>(address);
    return buckets[(bits >> 2 ^ bits >> 8 ^ bits >> 14) % buckets.size()].queue;
}

}  // namespace

void wait_on_address(void const* address, bool (*unchanged)(void const* arg), void const* arg) {
    wait_queue<spin_lock>& queue = queue_of(address);
    bool waited = false;
    for (waiter self("atomic_wait", true); unchanged(arg); waited = true) {
        waiter w("atomic_wait", true);
        if (w.task()) lowlevel::cancel_point();
        w.item = const_cast<void*>(address);
        std::unique_lock lock(queue.lock());
        if (!unchanged(arg)) break;  // it changed, and who did that may have notified before the lock
        if (queue.wait(lock, w, {.reason = {"a change of an atomic", address, nullptr}}) == wait_state::cancelled) lowlevel::raise_cancelled();
    }
    if (!waited && running_task) checkpoint();
}

void notify_address(void const* address, bool all) noexcept {
    wait_queue<spin_lock>& queue = queue_of(address);
    remote_node* woken = nullptr;  // linked through the nodes, which are free until they are woken
    remote_node** end = &woken;
    {
        std::lock_guard lock(queue.lock());
        for (waiter* w = queue.front(); w;) {
            waiter* next = queue.after(*w);
            if (w->item == address) {
                static_cast<void>(queue.settle(*w, wait_state::granted));
                w->next_remote = nullptr;
                *end = w;
                end = &w->next_remote;
                if (!all) break;
            }
            w = next;
        }
    }
    while (woken) {
        auto* w = static_cast<waiter*>(woken);
        woken = woken->next_remote;  // read first: w goes when it is woken
        w->wake();
    }
}

}  // namespace weft::detail
