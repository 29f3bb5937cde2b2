// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_COMPLETION_HPP
#define WEFT_FUTURE_DETAIL_COMPLETION_HPP

#include <weft/core/detail/wait_queue.hpp>
#include <weft/task/nursery.hpp>

#include <deque>
#include <vector>

namespace weft::detail {

/// A nursery in an object: its branches report here, one consumer takes them in the order of their ends.
///
/// The consumer's code is inside the nursery's scope, which is therefore cancelled only when that code has been left: a
/// branch's error is kept until the consumer meets it.
class completion {
public:
    explicit completion(source_place place) : nursery_(nursery_options{.name = "as_completed"}, place), exceptions_(std::uncaught_exceptions()) {}
    completion(completion const&) = delete;
    /// Cancels and awaits what is left. An error that comes then is thrown, or, while another exception is in flight, fails
    /// the nursery around.
    ~completion() noexcept(false);

    template <class F>
    void start(std::size_t index, F&& f) {
        nursery_.start_soon([this, index, f = std::forward<F>(f)]() mutable {
            std::exception_ptr error;
            try {
                f();
            } catch (cancelled const&) {
                --outstanding_;
                wake();
                throw;
            } catch (...) {
                if (leaving_) throw;  // the nursery takes it
                error = std::current_exception();
            }
            --outstanding_;
            ended_.push_back({index, std::move(error)});
            wake();
        });
        ++outstanding_;
    }
    /// Waits for the next branch that ends, and returns true; false after the last.
    bool next();
    /// The branch that next() found.
    std::size_t index() const noexcept { return index_; }
    /// Cancels and awaits the rest; returns the branches that ended with results nobody has taken.
    std::vector<std::size_t> close();

private:
    struct entry { std::size_t index; std::exception_ptr error; };
    void wake() noexcept;
    void leave();
    void finish();

    nursery nursery_;
    wait_queue<no_lock> consumer_;
    std::deque<entry> ended_;      // and not taken
    std::size_t outstanding_{};    // have not ended
    std::size_t index_{};
    int exceptions_;               // in flight when this was made
    bool leaving_{};
    bool finished_{};
};

}  // namespace weft::detail

#endif
