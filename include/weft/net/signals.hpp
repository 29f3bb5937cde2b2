// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_SIGNALS_HPP
#define WEFT_NET_SIGNALS_HPP

#include <weft/asio/select.hpp>
#include <weft/asio/use_fiber.hpp>
#include <weft/sync/resource_guard.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <initializer_list>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// The signals of a with_signals block, as they come. One task at a time receives.
class signal_receiver {
public:
    class iterator;

    /// The next signal's number. Signals come in the order of their arrival; the same one again before it was received counts once,
    /// as the kernel has it.
    /// Blocks:  always a checkpoint.    Cancellation: no signal is lost.
    /// Throws:  cancelled; busy_resource_error if another task receives.
    int receive();
    /// The next one that has come already. Never blocks.
    std::optional<int> try_receive();
    /// For select: calls f(int).
    template <class F>
    auto on_receive(F f) {
        return on_readable(wake_, [this, f = std::move(f)]() mutable { return std::invoke(f, *try_receive()); });
    }
    iterator begin();  ///< `for (int s : signals)`, without an end
    std::unreachable_sentinel_t end() const noexcept { return {}; }

    signal_receiver(signal_receiver const&) = delete;
    explicit signal_receiver(std::vector<int> signals);  ///< by with_signals
    ~signal_receiver();

private:
    std::vector<int> signals_;
    boost::asio::posix::stream_descriptor wake_;  ///< readable while a signal waits to be received
    resource_guard guard_{"signal_receiver"};
};

class signal_receiver::iterator {
public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    int operator*() const noexcept { return last_; }
    iterator& operator++() { last_ = from_->receive(); return *this; }
    void operator++(int) { ++*this; }

private:
    friend class signal_receiver;
    explicit iterator(signal_receiver& r) : from_(&r) { ++*this; }
    signal_receiver* from_;
    int last_{};
};
inline signal_receiver::iterator signal_receiver::begin() { return iterator(*this); }

/// Receives signals of the process in tasks, while body(receiver) runs; returns what it returns.
///
///     weft::with_signals({SIGTERM, SIGINT, SIGHUP}, [&](weft::signal_receiver& signals) {
///         for (int s : signals) {
///             if (s == SIGHUP) reload(); else break;
///         }
///     });
///
/// Afterwards the former dispositions are back, and a signal that has come and that nobody received is sent to the process
/// again: for a SIGTERM in the last moment, that is its end.
/// Blocks:  as body.
/// Throws:  busy_resource_error if another receiver of the process has one of the signals; system_error for a number that cannot be
///          handled; what body throws.    Hazard: an asio::signal_set for the same signal gets none meanwhile.
/// Source:  Trio's open_signal_receiver.
template <class F>
auto with_signals(std::initializer_list<int> signals, F&& body) -> std::invoke_result_t<F&, signal_receiver&> {
    signal_receiver r{std::vector<int>(signals)};
    return body(r);
}

}  // namespace weft

#endif
