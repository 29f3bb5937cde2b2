// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/select.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/lowlevel.hpp>
#include <weft/sync/detail/waiting.hpp>

#include "core/kernel.hpp"

#include <algorithm>
#include <functional>
#include <random>

namespace weft::detail {

namespace {

std::size_t choose_ready(std::size_t n) {
    if (n < 2) return 0;
    if (this_kernel) return this_kernel->choose(choice::select, n);
    static thread_local std::minstd_rand random{std::random_device{}()};
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
}

}  // namespace

/// One select under way.
class selection {
public:
    selection(select_alternative* const* all, select_alternative** order, std::size_t n) : all_(all), order_(order), n_(n) {
        std::copy(all, all + n, order);
        std::sort(order, order + n, [](select_alternative* a, select_alternative* b) { return std::less<>()(a->guard(), b->guard()); });
    }

    std::size_t run(bool may_wait) {
        if (n_ == 0) throw_misuse("select without alternatives", "pass at least one; to wait for ever, call this_task::sleep_forever.");
        if (!may_wait) return take_one();
        bool threads = std::all_of(all_, all_ + n_, [](auto* a) { return a->any_thread(); });
        bool task = begin_operation("select", threads);
        return take_or_wait(threads, task);
    }

    /// After an exception or a choice: the others are as if they had not been there. The first error leaves.
    void give_up_all_but(std::size_t taken) {
        std::exception_ptr error;
        for (std::size_t i = 0; i < n_; ++i) {
            if (i == taken) continue;
            try { all_[i]->give_up(); } catch (...) { if (!error) error = std::current_exception(); }
        }
        if (error) std::rethrow_exception(error);
    }

private:
    /// All locks, each once, in the order of their addresses: two selects never wait for each other.
    class all_locked {
    public:
        explicit all_locked(selection& s) noexcept : s_(s) {
            s_.each_guard([](select_alternative& a) { a.lock(); });
        }
        ~all_locked() { unlock(); }
        void unlock() noexcept {
            if (std::exchange(locked_, false)) s_.each_guard([](select_alternative& a) { a.unlock(); });
        }
    private:
        selection& s_;
        bool locked_{true};
    };

    template <class F>
    void each_guard(F f) noexcept {
        void const* last = nullptr;
        for (std::size_t i = 0; i < n_; ++i) {
            void const* guard = order_[i]->guard();
            if (guard && guard != last) f(*order_[i]);
            last = guard;
        }
    }

    /// Locked. Draws one of those that are ready, and takes it. Ready ones may prove not to be: those who wait on the other
    /// side may belong to a select that has just taken something else.
    std::size_t draw(bool& again) {
        for (std::size_t i = 0; i < n_; ++i) all_[i]->refused_ = false;
        for (;;) {
            std::size_t ready = 0;
            for (std::size_t i = 0; i < n_; ++i) {
                if (!all_[i]->refused_ && !all_[i]->ready()) all_[i]->refused_ = true;
                if (!all_[i]->refused_) ++ready;
            }
            if (ready == 0) return none_taken;
            std::size_t drawn = choose_ready(ready);
            std::size_t i = 0;
            while (all_[i]->refused_ || drawn-- > 0) ++i;
            switch (all_[i]->take()) {
                case select_alternative::offer::taken: return i;
                case select_alternative::offer::not_ready: all_[i]->refused_ = true; break;
                case select_alternative::offer::again: again = true; return none_taken;
            }
        }
    }

    std::size_t take_one() {
        for (bool again = true; again;) {
            again = false;
            for (std::size_t i = 0; i < n_; ++i) all_[i]->prepare();
            std::size_t taken;
            {
                all_locked locks(*this);
                taken = draw(again);
            }
            if (taken != none_taken) { all_[taken]->after_take(); return taken; }
        }
        return none_taken;
    }

    std::size_t take_or_wait(bool threads, bool task) {
        waiter self("select", threads);
        wait_group group;
        std::size_t last = static_cast<std::size_t>(std::min_element(all_, all_ + n_, [](auto* a, auto* b) { return a->deadline() < b->deadline(); }) - all_);
        time_point deadline = all_[last]->deadline();
        for (;;) {
            for (std::size_t i = 0; i < n_; ++i) all_[i]->prepare();
            bool again = false;
            all_locked locks(*this);
            std::size_t taken = draw(again);
            if (again) continue;
            if (taken == none_taken) {
                if (deadline != always) return wait(locks, self, group, deadline, last, threads);
                taken = last;
            }
            locks.unlock();
            all_[taken]->after_take();
            if (task) yield_shielded();
            return taken;
        }
    }

    std::size_t wait(all_locked& locks, waiter& self, wait_group& group, time_point deadline, std::size_t last, bool threads) {
        struct listing {
            selection& s;
            ~listing() {
                for (std::size_t i = 0; i < s.n_; ++i) {
                    select_alternative& a = *s.all_[i];
                    a.lock();  // of shared ones; a granter that lost may still be under it, with our waiter in its hands
                    a.unlist(*a.waiter_);
                    a.unlock();
                }
            }
        };
        wait_state state;
        {
            for (std::size_t i = 0; i < n_; ++i) all_[i]->waiter_.emplace("select", threads).group = &group;
            listing listed{*this};
            for (std::size_t i = 0; i < n_; ++i) all_[i]->list(*all_[i]->waiter_);
            locks.unlock();
            wait_options const o{.reason = {"select", this, &describe}, .deadline = deadline};
            bool shared = std::any_of(all_, all_ + n_, [](auto* a) { return a->guard() != nullptr; });
            state = shared ? wait_queue<spin_lock>::wait_group_claim(self, group, o) : wait_queue<no_lock>::wait_group_claim(self, group, o);
        }
        if (state == wait_state::timed_out) return last;
        if (state == wait_state::cancelled) lowlevel::raise_cancelled();
        for (std::size_t i = 0;; ++i) {
            if (&*all_[i]->waiter_ != group.winner()) continue;
            all_[i]->granted(*all_[i]->waiter_);
            return i;
        }
    }

    static std::string describe(void const* p) {
        auto const& s = *static_cast<selection const*>(p);
        std::string text = "of";
        for (std::size_t i = 0; i < s.n_; ++i) text += std::string(i == 0 ? " " : ", ") + s.all_[i]->what();
        return text;
    }

    select_alternative* const* all_;
    select_alternative** order_;
    std::size_t n_;
};

std::size_t run_select(select_alternative* const* alternatives, select_alternative** order, std::size_t n, bool may_wait) {
    selection s(alternatives, order, n);
    std::size_t taken;
    try {
        taken = s.run(may_wait);
    } catch (...) {
        s.give_up_all_but(none_taken);
        throw;
    }
    s.give_up_all_but(taken);
    return taken;
}

}  // namespace weft::detail
