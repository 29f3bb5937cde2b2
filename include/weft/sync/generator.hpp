// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_GENERATOR_HPP
#define WEFT_SYNC_GENERATOR_HPP

#include <weft/sync/channel.hpp>
#include <weft/sync/detail/generator_core.hpp>
#include <weft/task/nursery.hpp>

#include <memory>

namespace weft {

namespace detail {
template <class T>
struct generator_state : generator_core {
    generator_state(sender<T> tx, std::string name) : generator_core(std::move(name)), items(std::move(tx)) {}
    sender<T> items;
};
}  // namespace detail

/// Where a generator's producer puts its items. Valid while the producer runs, also in child tasks of its own.
template <class T>
class generator_sink {
public:
    /// Gives v to the consumer, and waits until it asks for the next one.
    ///
    /// Blocks:       always a checkpoint.
    /// Cancellation: if it raises, v was not taken and is the caller's as before. A cancellation that comes when v was taken,
    ///               such as the end of the consumer's loop, is raised by the next cancellation point.
    /// Throws:       cancelled; in a shielded scope broken_resource_error if the consumer has gone; what copying or moving v throws.
    void send(T&& v) { state_.items.send(std::move(v)); state_.wait_demand(); }
    void send(T const& v) { state_.items.send(v); state_.wait_demand(); }

    explicit generator_sink(detail::generator_state<T>& s) noexcept : state_(s) {}  ///< by make_generator
    generator_sink(generator_sink const&) = delete;

private:
    detail::generator_state<T>& state_;
};

/// A task that produces items as they are asked for, as an input range. Made by make_generator; move-only.
///
/// Consumer and producer take turns: the producer starts at the first step, and runs only while the consumer waits for an
/// item. A loop that was left early may be taken up again as long as the generator lives; an item that a cancelled
/// step did not get comes with the next.
///
/// The destructor cancels the producer and waits until its function has unwound and is destroyed; the wait is shielded,
/// so what it cleans up is done when the loop's block is over. That can be a destructor, and needs no function to put the loop
/// into, because waits during unwinding complete in weft (rule 147) and because no error has to leave it: one that
/// nobody took is the producing task's, and so its nursery's.
/// Hazard: it must not outlive its nursery, which waits for the producer.
template <class T>
class generator {
public:
    using value_type = T;
    class iterator;
    generator() = default;  ///< has no producer
    generator(generator&&) noexcept = default;
    generator& operator=(generator&& o) noexcept {
        generator old(std::move(o));
        std::swap(state_, old.state_);
        std::swap(items_, old.items_);
        return *this;
    }
    /// Blocks:       until the producer has ended, if it has not; not in a callback, where the nursery alone waits for it.
    /// Cancellation: none; shielded.    Throws: nothing: an error of the producer's clean-up goes to its nursery.
    ~generator() { if (state_) state_->abandon([this] { items_.close(); }); }

    /// Asks for the first item, or for the next where an earlier loop ended; each ++ asks for another.
    ///
    /// Blocks:       each step is a checkpoint.
    /// Cancellation: no item is lost; the producer goes on to its next send, and is cancelled when the generator is destroyed.
    /// Throws:       at the end of the items the producer's error, as itself and once; task_cancelled_error, once, if others
    ///               cancelled the producer; busy_resource_error if another task is in a step; misuse_error without a
    ///               producer; cancelled; deadlock_error.
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

    generator(std::shared_ptr<detail::generator_state<T>> s, receiver<T> rx) noexcept : state_(std::move(s)), items_(std::move(rx)) {}  ///< by make_generator

private:
    std::shared_ptr<detail::generator_state<T>> state_;
    receiver<T> items_;
};

/// Input iterator of a generator; holds the current item.
template <class T>
class generator<T>::iterator {
public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    T& operator*() const noexcept { return **item_; }
    T* operator->() const noexcept { return &**item_; }
    iterator& operator++() {
        item_.reset();
        auto state = from_->state_;  // the generator may be gone when this wakes
        detail::generator_core::step step(*state);
        item_.emplace(from_->items_.begin());
        if (*item_ != std::default_sentinel) {
            step.served();
        } else {
            item_.reset();
            state->throw_if_failed();
        }
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return !i.item_; }

private:
    friend class generator;
    explicit iterator(generator& g) : from_(&g) {
        if (!g.state_) detail::throw_empty_channel_handle("generator::begin");
        ++*this;
    }
    generator* from_;
    std::optional<typename receiver<T>::iterator> item_;
};

/// A generator whose producer is `produce(sink)`, run as a child of `n`.
///
///     auto lines = weft::make_generator<std::string>(n, [&](auto& out) {
///         while (auto line = file.read_line()) out.send(*line);
///     });
///     for (std::string& line : lines) { if (line == "end") break; use(line); }
///
/// The producer ends with its function, which ends the range. Cancelling the consumer cancels it too, in that the loop
/// unwinds past the generator. It runs under n's scopes, and only n's: not under those around this call.
///
/// Throws:  as nursery::start_soon, which may wait here if n has a limit of children.
/// Source:  Trio's as_safe_channel; differs in that the loop needs no block around it, and that the producer's error comes out of the
///          loop itself, once its items were had.
template <class T, std::invocable<generator_sink<T>&> F>
generator<T> make_generator(nursery& n, std::string_view name, F&& produce, source_place place = source_place::current()) {
    auto ends = make_channel<T>(channel_options{.name = std::string(name)});
    auto s = std::make_shared<detail::generator_state<T>>(std::move(ends.sender), std::string(name));
    // In an optional: the function must be gone before the consumer hears of the end.
    n.start_soon(name, [s, f = std::optional<std::decay_t<F>>(std::forward<F>(produce))]() mutable {
        std::exception_ptr error;
        try {
            s->scope().run([&] {
                s->wait_first_demand();
                generator_sink<T> sink(*s);
                (*f)(sink);
            });
        } catch (...) {
            error = std::current_exception();
        }
        f.reset();
        s->finish(std::move(error), [&] { s->items.close(); });
    }, place);
    return {std::move(s), std::move(ends.receiver)};
}
template <class T, std::invocable<generator_sink<T>&> F>
generator<T> make_generator(nursery& n, F&& produce, source_place place = source_place::current()) {
    return make_generator<T>(n, std::string_view(), std::forward<F>(produce), place);
}

}  // namespace weft

#endif
