// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_DETAIL_HOME_EXECUTOR_HPP
#define WEFT_ASIO_DETAIL_HOME_EXECUTOR_HPP

#include <boost/asio/execution/allocator.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <atomic>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// The io_context that a run lives on: its own, or that of a program whose guest it is. May outlive the run: another thread
/// that completes an operation of ours still holds an executor when the task has gone on and the run has ended. The last one
/// to let go deletes this, and the run's own io_context with it.
class loop_context {
public:
    loop_context(loop_context const&) = delete;
    boost::asio::io_context& io() const noexcept { return io_; }
    boost::asio::io_context::executor_type get_executor() const noexcept { return io_.get_executor(); }
    void retain() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept { if (pins_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this; }

protected:
    explicit loop_context(boost::asio::io_context& io) noexcept : io_(io) {}
    virtual ~loop_context() = default;  // by release() only
    long pins() const noexcept { return pins_.load(std::memory_order_acquire); }

private:
    boost::asio::io_context& io_;
    std::atomic<long> pins_{1};
};

/// Holds a loop_context.
class loop_pin {
public:
    explicit loop_pin(loop_context& l) noexcept : loop_(&l) { l.retain(); }
    loop_pin(loop_pin const& o) noexcept : loop_(o.loop_) { loop_->retain(); }
    loop_pin(loop_pin&& o) noexcept : loop_(std::exchange(o.loop_, nullptr)) {}
    loop_pin& operator=(loop_pin const&) = delete;
    ~loop_pin() { if (loop_) loop_->release(); }
    loop_context& get() const noexcept { return *loop_; }

private:
    loop_context* loop_;
};
/// The same for executors that whoever holds them uses during the run only.
class loop_pointer {
public:
    explicit loop_pointer(loop_context& l) noexcept : loop_(&l) {}
    loop_context& get() const noexcept { return *loop_; }

private:
    loop_context* loop_;
};

template <class P> inline constexpr bool is_allocator_property = false;
template <class A> inline constexpr bool is_allocator_property<boost::asio::execution::allocator_t<A>> = true;

/// The associated executor of weft's own handlers: the run's io_context executor, but that tracking outstanding work pins
/// the context instead of counting as work of its loop. The operation counts as work already, and a count would have to be
/// taken back in a context that may be gone.
template <class Inner = boost::asio::io_context::executor_type, class Hold = loop_pointer>
class home_executor {
public:
    explicit home_executor(loop_context& l) noexcept : inner_(l.get_executor()), hold_(l) {}
    home_executor(Inner const& inner, loop_context& l) noexcept : inner_(inner), hold_(l) {}

    boost::asio::io_context& query(boost::asio::execution::context_t) const noexcept { return hold_.get().io(); }
    static constexpr auto query(boost::asio::execution::outstanding_work_t) noexcept {
        using namespace boost::asio;
        if constexpr (std::is_same_v<Hold, loop_pin>) return execution::outstanding_work_t(execution::outstanding_work.tracked);
        else return execution::outstanding_work_t(execution::outstanding_work.untracked);
    }
    template <class P>
        requires(boost::asio::can_query<Inner const&, P>::value && !std::is_convertible_v<P, boost::asio::execution::outstanding_work_t>)
    decltype(auto) query(P const& p) const noexcept { return boost::asio::query(inner_, p); }

    home_executor<Inner, loop_pin> require(boost::asio::execution::outstanding_work_t::tracked_t) const noexcept { return {inner_, hold_.get()}; }
    home_executor<Inner, loop_pointer> require(boost::asio::execution::outstanding_work_t::untracked_t) const noexcept { return {inner_, hold_.get()}; }
    template <class P>
        requires(boost::asio::can_require<Inner const&, P>::value)
    auto require(P const& p) const {
        // One with an allocator is made to call execute() on and dropped, while whoever asked for it keeps this one: it needs no pin.
        using hold = std::conditional_t<is_allocator_property<P>, loop_pointer, Hold>;
        return home_executor<std::decay_t<typename boost::asio::require_result<Inner const&, P>::type>, hold>(boost::asio::require(inner_, p), hold_.get());
    }

    template <class F>
    void execute(F&& f) const { inner_.execute(std::forward<F>(f)); }

    bool operator==(home_executor const& o) const noexcept { return inner_ == o.inner_; }
    bool operator!=(home_executor const& o) const noexcept { return !(*this == o); }

private:
    Inner inner_;
    [[no_unique_address]] Hold hold_;
};

/// The loop of this thread's run. Throws as weft::get_executor.
loop_context& current_loop();

}  // namespace weft::detail

#endif
