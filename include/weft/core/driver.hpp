// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_DRIVER_HPP
#define WEFT_CORE_DRIVER_HPP

#include <weft/core/clock.hpp>

#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace weft {

class cancel_state;
namespace detail { class kernel; }

/// The seam between the scheduler and what waits below it. The asio room supplies the one over an `io_context`, which
/// `run` uses by default; the testing room one without any descriptors, for schedule exploration.
///
/// All calls are made on the run's own thread, but for wake(), which is safe from any.
class driver {
public:
    virtual ~driver() = default;
    /// Calls `kernel.turn()` until `kernel.finished()`, waiting between turns where nothing is ready.
    virtual void run(detail::kernel& k) = 0;
    /// Asks for a turn soon: something became ready outside of one. Coalesced by the kernel.
    virtual void request_turn() noexcept = 0;
    /// Asks for a turn not later than `when`; `never` withdraws the request. Real clocks only.
    virtual void arm(time_point when) noexcept = 0;
    /// request_turn() from any thread.
    virtual void wake() noexcept = 0;
    /// The run is over, or somebody began to wait for idleness: run() must look at the kernel's state again.
    virtual void interrupt() noexcept = 0;
    /// Lets upper rooms find their own driver: they compare the address of a variable of theirs.
    virtual void const* kind() const noexcept = 0;
};

namespace detail {
/// Rooms above core supply a few functions that core needs; core declares them here and includes none of them.
std::unique_ptr<driver> make_default_driver();                                  ///< asio room
[[noreturn]] void throw_group(std::string what, std::vector<std::exception_ptr> errors);  ///< task room
std::exception_ptr filter_at_exit(cancel_state& s, std::exception_ptr e);       ///< task room: what s does not catch of e
std::exception_ptr single_leaf(std::exception_ptr e);                           ///< task room: a group's only leaf, else e
std::string dump_tree(kernel& k);                                               ///< inspect room
}  // namespace detail

}  // namespace weft

#endif
