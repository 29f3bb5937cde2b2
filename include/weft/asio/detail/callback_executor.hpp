// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_DETAIL_CALLBACK_EXECUTOR_HPP
#define WEFT_ASIO_DETAIL_CALLBACK_EXECUTOR_HPP

#include <weft/asio/detail/callback_core.hpp>

#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/mapping.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution/relationship.hpp>

namespace weft {

/// The executor of a callback_loop: its functions queue there. A function that is dispatched from a callback of the same loop
/// runs at once. Given to I/O objects, it lets their handlers run on the loop, and pending operations keep the loop open.
///
/// Threads: any. May outlive loop and run: what it is given then is destroyed unrun.
class callback_executor {
public:
    explicit callback_executor(detail::callback_core& c) noexcept : core_(c) {}
    callback_executor(callback_executor const& o) noexcept : core_(o.core_), tracked_(o.tracked_), never_(o.never_), fork_(o.fork_) { if (tracked_) core_->work_started(); }
    callback_executor(callback_executor&& o) noexcept : core_(std::move(o.core_)), tracked_(std::exchange(o.tracked_, false)), never_(o.never_), fork_(o.fork_) {}
    callback_executor& operator=(callback_executor o) noexcept {
        std::swap(core_, o.core_);
        std::swap(tracked_, o.tracked_);
        never_ = o.never_;
        fork_ = o.fork_;
        return *this;
    }
    ~callback_executor() { if (tracked_) core_->work_finished(); }

    template <class F>
    void execute(F&& f) const {
        if (!never_ && core_->runs_here()) {
            std::decay_t<F> now(std::forward<F>(f));
            std::move(now)();
        } else core_->execute(detail::make_callback(std::forward<F>(f)));
    }
    bool running_in_this_thread() const noexcept { return core_->runs_here(); }

    boost::asio::io_context& query(boost::asio::execution::context_t) const noexcept { return core_->context(); }
    static constexpr boost::asio::execution::mapping_t query(boost::asio::execution::mapping_t) noexcept { return boost::asio::execution::mapping.thread; }
    boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) const noexcept {
        using boost::asio::execution::blocking;
        return never_ ? boost::asio::execution::blocking_t(blocking.never) : boost::asio::execution::blocking_t(blocking.possibly);
    }
    boost::asio::execution::outstanding_work_t query(boost::asio::execution::outstanding_work_t) const noexcept {
        using boost::asio::execution::outstanding_work;
        return tracked_ ? boost::asio::execution::outstanding_work_t(outstanding_work.tracked) : boost::asio::execution::outstanding_work_t(outstanding_work.untracked);
    }
    boost::asio::execution::relationship_t query(boost::asio::execution::relationship_t) const noexcept {
        using boost::asio::execution::relationship;
        return fork_ ? boost::asio::execution::relationship_t(relationship.fork) : boost::asio::execution::relationship_t(relationship.continuation);
    }
    callback_executor require(boost::asio::execution::blocking_t::possibly_t) const noexcept { auto e = *this; e.never_ = false; return e; }
    callback_executor require(boost::asio::execution::blocking_t::never_t) const noexcept { auto e = *this; e.never_ = true; return e; }
    callback_executor require(boost::asio::execution::relationship_t::fork_t) const noexcept { auto e = *this; e.fork_ = true; return e; }
    callback_executor require(boost::asio::execution::relationship_t::continuation_t) const noexcept { auto e = *this; e.fork_ = false; return e; }
    callback_executor require(boost::asio::execution::outstanding_work_t::tracked_t) const noexcept {
        auto e = *this;
        if (!std::exchange(e.tracked_, true)) core_->work_started();
        return e;
    }
    callback_executor require(boost::asio::execution::outstanding_work_t::untracked_t) const noexcept {
        auto e = *this;
        if (std::exchange(e.tracked_, false)) core_->work_finished();
        return e;
    }

    friend bool operator==(callback_executor const& a, callback_executor const& b) noexcept {
        return a.core_.get() == b.core_.get() && a.tracked_ == b.tracked_ && a.never_ == b.never_ && a.fork_ == b.fork_;
    }
    friend bool operator!=(callback_executor const& a, callback_executor const& b) noexcept { return !(a == b); }

private:
    detail::callback_core_pointer core_;
    bool tracked_{};
    bool never_{};
    bool fork_{true};
};

}  // namespace weft

#endif
