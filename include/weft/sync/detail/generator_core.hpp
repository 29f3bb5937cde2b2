// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_GENERATOR_CORE_HPP
#define WEFT_SYNC_DETAIL_GENERATOR_CORE_HPP

#include <weft/core/detail/wait_queue.hpp>
#include <weft/task/cancel_scope.hpp>

#include <exception>
#include <string>

namespace weft::detail {

/// The lock-step of a generator: whose turn it is, and how the producer ended. The items go through a channel of their own.
class generator_core {
public:
    explicit generator_core(std::string name) : name_(std::move(name)) {}
    generator_core(generator_core const&) = delete;

    /// One consumer at a time takes a step: asks for an item, and waits for it.
    class step {
    public:
        explicit step(generator_core& c);  ///< throws cancelled, busy_resource_error
        step(step const&) = delete;
        ~step() { core_.stepping_ = false; }
        void served() noexcept { core_.asked_ = false; }  ///< it has an item; a step that was cancelled has not, and the producer still owes it
    private:
        generator_core& core_;
    };
    /// The channel is at its end: throws the producer's error, the first time.
    void throw_if_failed();
    /// Cancels the producer, then calls close_items(), then waits for its end, shielded. For destructors. In a callback it does not wait.
    template <class F>
    void abandon(F close_items) noexcept {
        abandoned_ = true;
        if (ended_) return;
        scope_.cancel("the consumer of the generator has gone");
        close_items();
        wait_end();
    }

    // --- in the producer's task ---
    cancel_scope& scope() noexcept { return scope_; }
    void wait_first_demand();            ///< throws cancelled
    void wait_demand();                  ///< an item was taken: waits until the next is wanted, or the producer is to end; raises nothing
    /// The producer's function has ended and is destroyed. Gives its error to the consumer if there is one who takes it, throws it otherwise.
    template <class F>
    void finish(std::exception_ptr error, F close_items) {
        settle(error);
        close_items();
        if (error_) wait_taken(error);
        end(error);
    }

private:
    wait_state wait(wait_queue<no_lock>& q, char const* call, char const* what, bool cancellable);
    void settle(std::exception_ptr const& error) noexcept;
    void wait_taken(std::exception_ptr& error) noexcept;
    void end(std::exception_ptr const& error);
    void wait_end() noexcept;
    static std::string describe(void const* core);

    wait_queue<no_lock> producers_;   ///< tasks of the producer that wait for demand
    wait_queue<no_lock> giver_;       ///< the producer's, with an error to give to the consumer
    wait_queue<no_lock> consumers_;   ///< who waits for the producer's end
    cancel_scope scope_;              ///< around the producer's function
    std::exception_ptr error_;        ///< the consumer has still to be told
    int demand_{};                    ///< items asked for, less those that the producer knows to be taken
    task_record* producer_{};         ///< while its task lives
    bool asked_{};                    ///< an item is owed to the consumer
    bool stepping_{};                 ///< a task is in a step
    bool cut_{};                      ///< the producer was cancelled by others, so the items are not all
    bool abandoned_{};                ///< the generator has gone
    bool ended_{};                    ///< nothing of the producer's function is left
    std::string const name_;
};

}  // namespace weft::detail

#endif
