// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_WATCH_CORE_HPP
#define WEFT_SYNC_DETAIL_WATCH_CORE_HPP

#include <weft/sync/detail/waiting.hpp>
#include <weft/sync/select_alternative.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace weft::detail {

[[noreturn]] WEFT_COLD void throw_closed_watch(char const* call);
[[noreturn]] WEFT_COLD void throw_watch_ended();

/// A watch without its value: the version, and who waits for the next. Guarded by guard().
template <class L>
class watch_core {
public:
    watch_core() = default;
    watch_core(watch_core const&) = delete;
    virtual ~watch_core();

    L& guard() noexcept { return waiters_.lock(); }
    wait_queue<L>& waiters() noexcept { return waiters_; }
    void retain_sender() noexcept;
    void retain_receiver() noexcept;
    void release_sender() noexcept;
    void release_receiver() noexcept;
    std::size_t receivers() noexcept;
    std::uint64_t version() noexcept;

    /// Waits until the version is not `seen`, which then becomes it. False if the deadline came first.
    bool wait_change(std::uint64_t& seen, time_point deadline);

    // --- locked ---
    bool differs(std::uint64_t seen) const noexcept { return version_ != seen || senders_ == 0; }
    bool ended(std::uint64_t seen) const noexcept { return version_ == seen && senders_ == 0; }
    std::uint64_t current() const noexcept { return version_; }
    void hold() noexcept { holders_.retain(); }
    void release() noexcept { if (holders_.release()) delete this; }

protected:
    /// A new value is there. Unlocks.
    void publish(std::unique_lock<L>& lock) noexcept;

private:
    static std::string describe(void const* core);

    wait_queue<L> waiters_;
    std::uint64_t version_{1};
    std::size_t senders_{1};
    std::size_t receivers_{};
    holder_count<L> holders_;
};

extern template class watch_core<no_lock>;
extern template class watch_core<spin_lock>;

template <class L, class F>
class watch_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<F&>;
    watch_alternative(watch_core<L>& w, std::uint64_t& seen, F f) : core_(w), seen_(seen), f_(std::move(f)) { w.hold(); }
    ~watch_alternative() { core_.release(); }
    result complete() {
        if (ended_) throw_watch_ended();
        return std::invoke(f_);
    }

    void const* guard() const noexcept override { return L::shared ? &core_.guard() : nullptr; }
    void lock() noexcept override { core_.guard().lock(); }
    void unlock() noexcept override { core_.guard().unlock(); }
    bool ready() noexcept override { return core_.differs(seen_); }
    offer take() noexcept override {
        ended_ = core_.ended(seen_);
        seen_ = core_.current();
        return offer::taken;
    }
    void list(waiter& w) noexcept override { core_.waiters().push_back(w); }
    void unlist(waiter& w) noexcept override { if (core_.waiters().listed(w)) core_.waiters().remove(w); }
    void granted(waiter const&) noexcept override {
        std::lock_guard lock(core_.guard());
        take();
    }
    char const* what() const noexcept override { return "change"; }

private:
    watch_core<L>& core_;
    std::uint64_t& seen_;
    F f_;
    bool ended_{};
};

}  // namespace weft::detail

#endif
