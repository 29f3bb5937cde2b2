// SPDX-License-Identifier: BSL-1.0
#include <weft/asio/detail/operation.hpp>

#include "asio/asked_operations.hpp"
#include "core/kernel.hpp"
#include "core/self.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <cstring>
#include <new>

namespace weft::detail {

namespace asio = boost::asio;

// asio::experimental::error::channel_cancelled, without its header.
constexpr int channel_cancelled = 2;

// --- recycled memory ---

namespace {
constexpr std::size_t unit = 64, classes = 16;
constexpr std::size_t kept = 1024;  // of each class, at most 9 MB in all: eight times what one look at the reactor completes

struct free_block { free_block* next; };
struct block_cache {
    struct { free_block* first; std::size_t n; } of[classes]{};
    ~block_cache() {
        for (auto& c : of) {
            while (free_block* b = c.first) { c.first = b->next; ::operator delete(b); }
        }
    }
};
thread_local block_cache cache;
}  // namespace

void* recycled_allocate(std::size_t bytes) {
    std::size_t i = (bytes - 1) / unit;
    if (i >= classes) return ::operator new(bytes);
    auto& c = cache.of[i];
    free_block* b = c.first;
    if (!b) return ::operator new((i + 1) * unit);
    c.first = b->next;
    --c.n;
    return b;
}

void recycled_deallocate(void* p, std::size_t bytes) noexcept {
    std::size_t i = (bytes - 1) / unit;
    if (i >= classes) { ::operator delete(p); return; }
    auto& c = cache.of[i];
    if (c.n == kept) { ::operator delete(p); return; }
    c.first = ::new (p) free_block{c.first};
    ++c.n;
}

resume_later::resume_later() noexcept : kernel_(this_kernel) { if (kernel_) kernel_->hold_resumes(1); }
resume_later::~resume_later() { if (kernel_) kernel_->hold_resumes(-1); }

// --- operation ---

operation::operation(char const* what, start_point at, loop_context& loop)
    : home_(loop), kernel_(this_kernel), reason_{what},
      work_(asio::require(loop.get_executor(), asio::execution::outstanding_work.tracked)) {
    task_record& t = self(what);
    if (at == start_point::here) kernel_->cancel_point(t);  // a scope that is cancelled already: the operation has no effect at all
    task_ = lowlevel::task_ref(t, kernel_->run_id());
}

void operation::wait() {
    task_record& t = *task_.record();
    if (state_ == state::done) {
        // Completed inside the initiation. Others must get their turn all the same, now and then.
        if (kernel_->count_inline_completion()) kernel_->yield(t);
    } else {
        state_ = state::waiting;
        kernel_->park(t, [](void* p) {
            auto& op = *static_cast<operation*>(p);
            op.asked_ = true;
            try {
                op.ask();
                if (op.state_ != state::done && op.asks_again_) {
                    auto& all = asio::use_service<asked_operations>(op.home_.query(asio::execution::context));
                    op.asked_in_ = &all;
                    all.add(op);
                }
            } catch (...) {  // a canceller is other people's code; the handler is still out, so the wait goes on
                op.kernel_->callback_failed(caught_error());
            }
            return abort_answer::failed;
        }, this, reason_);
    }
    if (abandoned_) throw_abandoned();
}

void operation::ask() {
    // Only between initiation and handler, on the home thread: later the slot may hold a dangling canceller.
    struct emission {
        operation& op;
        explicit emission(operation& o) : op(o) { op.emitting_ = true; }
        ~emission() {
            op.emitting_ = false;
            if (op.state_ == state::done) op.slot().clear();  // not earlier: the canceller was still running
        }
    } now(*this);
    signal_.emit(asio::cancellation_type::terminal);
}

void operation::finish(bool abandoned) noexcept {
    if (this_kernel == kernel_) {
        abandoned_ = abandoned;
        settle();
    } else {
        // Pinned: as soon as settle() is queued, the task may go on and the run may end, while post() still touches the loop.
        asio::post(asio::require(home_, asio::execution::outstanding_work.tracked), [this, abandoned] { abandoned_ = abandoned; settle(); });
    }
}

void operation::settle() noexcept {
    if (!emitting_) slot().clear();
    if (asked_in_) std::exchange(asked_in_, nullptr)->remove(*this);
    if (state_ == state::initiating) { state_ = state::done; return; }
    state_ = state::done;
    task_record& t = *task_.record();
    // A destructor's caller, or an emitter, does not expect a task to run inside its call.
    if (emitting_ || abandoned_) kernel_->unpark(t);
    else kernel_->resume_now(t);
}

void operation::throw_abandoned() const {
    if (asked_) this_kernel->raise(*task_.record());
    throw abandoned_error(message("W050", std::string(reason_.what) + ": the completion handler was destroyed without being called" + in_task(),
        "the I/O object's io_context was destroyed or its service shut down while the operation was under way.",
        "keep the context alive until its operations have ended, or cancel them first."));
}

void operation::check(boost::system::error_code const& e) const {
    if (!e) return;
    if (asked_ && (e == boost::system::errc::operation_canceled ||
                   (e.value() == channel_cancelled && std::strcmp(e.category().name(), "asio.channel") == 0))) {
        this_kernel->raise(*task_.record());
    }
    throw boost::system::system_error(e, reason_.what);
}

void operation::check(std::exception_ptr const& e) const {
    if (!e) return;
    if (asked_) {
        try { std::rethrow_exception(e); }
        catch (boost::system::system_error const& x) { if (x.code() == boost::system::errc::operation_canceled) this_kernel->raise(*task_.record()); }
        catch (...) {}
    }
    std::rethrow_exception(e);
}

}  // namespace weft::detail
