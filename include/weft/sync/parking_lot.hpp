// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_PARKING_LOT_HPP
#define WEFT_SYNC_PARKING_LOT_HPP

#include <weft/core/lowlevel.hpp>

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace weft {

/// What a parking lot holds at one moment.
struct parking_lot_statistics {
    std::size_t waiting{};
    std::size_t breakers{};  ///< tasks whose end breaks it
    bool broken{};
};

/// A queue of waiting tasks, woken in the order in which they came: what locks and conditions of one's own are built of.
///
///     class gate {                                    // lets through as many as are admitted
///         weft::parking_lot lot_{"gate"};
///     public:
///         void pass() { lot_.park(); }
///         void admit(std::size_t n) { lot_.unpark(n); }
///     };
///
/// It remembers no wake-ups: an unpark that finds nobody has no effect. That is safe between the tasks of one runtime, which
/// switch only where they wait; between threads a wake-up could fall between looking and parking, so there is no
/// shared::parking_lot. Instead: condition_variable, which releases its mutex and waits in one step.
///
/// Destroying one that tasks wait in aborts with a message.
class parking_lot {
public:
    static constexpr std::size_t all = (std::numeric_limits<std::size_t>::max)();

    /// The name shows up in dumps and errors; it is not copied.
    explicit parking_lot(char const* name = "parking_lot") noexcept : name_(name) {}
    parking_lot(parking_lot const&) = delete;
    parking_lot& operator=(parking_lot const&) = delete;
    ~parking_lot();

    /// Waits until the task is unparked.
    ///
    /// Blocks:        always.
    /// Cancellation:  leaves the lot; the order of the others is kept. A task that was unparked stays so.
    /// Throws:        cancelled; broken_resource_error if the lot is, or becomes, broken; not_running_error; wrong_domain_error;
    ///                deadlock_error.
    /// Complexity:    O(1), no allocation.    Source: Trio's ParkingLot.park.
    void park();

    /// Wakes the one who waits longest, and returns it; an empty task_ref if nobody waits. Never blocks; may be called from
    /// callbacks. Throws: wrong_domain_error on another thread than the waiting tasks'. Source: Trio's unpark.
    lowlevel::task_ref unpark();
    /// Wakes up to n, in order, and returns them. Throws: as unpark(); bad_alloc; then nobody was woken.
    std::vector<lowlevel::task_ref> unpark(std::size_t n);
    std::vector<lowlevel::task_ref> unpark_all() { return unpark(all); }

    /// Moves up to n who wait longest, in order, to the end of another lot's queue without waking them; how many. If that lot
    /// is broken they get its error. Never blocks. Source: Trio's repark.
    std::size_t repark(parking_lot& to, std::size_t n = 1);
    std::size_t repark_all(parking_lot& to) { return repark(to, all); }

    /// Ends all waits here, and each that is tried from now on, with broken_resource_error: what they wait for will never come.
    /// Never blocks. Breaking it again changes nothing. Throws: wrong_domain_error on another thread than the waiting tasks'. Source: Trio's break_lot.
    void break_lot();
    bool broken() const noexcept { return broken_; }

    /// If the task ends before remove_breaker(), that breaks the lot: for the task that alone can wake the others. Counts: as many
    /// removals are needed. Never blocks.
    /// Throws: misuse_error for a task of another run, or that has ended; not_running_error. Complexity: O(breakers of the task).
    /// Source: Trio's add_parking_lot_breaker.
    void add_breaker(lowlevel::task_ref task);
    /// Throws: misuse_error if the task is no breaker of this lot.
    void remove_breaker(lowlevel::task_ref task);

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    parking_lot_statistics statistics() const noexcept;

private:
    struct parked;
    struct breaker;
    void push(parked& p) noexcept;
    void remove(parked& p) noexcept;
    lowlevel::task_ref wake_first();
    void break_by(std::string who) noexcept;
    void drop(breaker& b) noexcept;

    char const* name_;
    parked* first_{};
    parked* last_{};
    std::size_t size_{};
    breaker* breakers_{};    // newest first
    bool broken_{};
    std::string broken_by_;  // who did it, if that is known
};

namespace local { using weft::parking_lot; }

}  // namespace weft

#endif
