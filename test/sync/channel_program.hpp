// SPDX-License-Identifier: BSL-1.0
// A random program of tasks that use a few channels in every way there is, and a model of what each call may answer.
#ifndef WEFT_TEST_SYNC_CHANNEL_PROGRAM_HPP
#define WEFT_TEST_SYNC_CHANNEL_PROGRAM_HPP

#include "sync/item_ledger.hpp"

#include <weft/sync/channel.hpp>
#include <weft/sync/select.hpp>
#include <weft/sync/watch.hpp>
#include <weft/weft.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <vector>

namespace weft_test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// How often something happened.
struct tally {
    // items
    std::size_t sent{}, received{}, discarded{}, kept{};
    // calls: selects that took one, and refusals of those that do not wait, time that was up, and errors
    std::size_t selected{}, refused{}, late{}, cancelled{}, closed{}, broken{}, ended{};

    static constexpr std::size_t tally::* all[] = {&tally::sent, &tally::received, &tally::discarded, &tally::kept, &tally::selected, &tally::refused,
                                                   &tally::late, &tally::cancelled, &tally::closed, &tally::broken, &tally::ended};
    static constexpr char const* names[] = {"sent", "received", "discarded", "kept", "selected", "refused", "late", "cancelled", "closed", "broken", "ended"};
    tally& operator+=(tally const& o) { for (auto m : all) this->*m += o.*m; return *this; }
    std::size_t least() const { return this->*(*std::min_element(std::begin(all), std::end(all), [&](auto a, auto b) { return this->*a < this->*b; })); }
    std::string describe() const {
        std::string text;
        for (std::size_t i = 0; i < std::size(all); ++i) text += (i == 0 ? "" : ", ") + std::to_string(this->*all[i]) + " " + names[i];
        return text;
    }
};

/// One random program, run as main of a run. It knows what the handles were told, and what that allows each call to answer.
template <class L, bool Boxed>
class channel_program {
    using item = basic_item<Boxed>;
    using sender = weft::basic_sender<item, L>;
    using receiver = weft::basic_receiver<item, L>;

    /// A place for a handle, which tasks use, close, refill and empty while others wait through it.
    template <class H> struct slot {
        H handle;
        std::size_t id{none};  // of the handle that is here, in closed_
    };
    struct lane {
        std::size_t index{}, capacity{};
        std::vector<slot<sender>> tx;
        std::vector<slot<receiver>> rx;
        receiver observer;     // closed from the start: it only sees
    };
    /// What a call was made with.
    struct use {
        lane* on;
        std::size_t const* id_now;
        std::size_t id;
        bool sending;
    };
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

public:
    channel_program(std::uint64_t seed, item_ledger& books, bool verbose) : seed_(seed), books_(books), verbose_(verbose) {}

    void operator()() {
        dice d(seed_);
        std::size_t lanes = 1 + d(4);
        senders_ = 1 + d(4);
        tasks_ = senders_ + 1 + d(4);
        for (std::size_t i = 0; i < lanes; ++i) open_lane(i, d(5));
        auto watch = weft::detail::make_watch<int, L>(0);
        watch_ = &watch;
        weft::move_on_after(1h, [&] {
            weft::with_nursery([&](weft::nursery& n) {
                for (std::size_t t = 0; t < tasks_; ++t) n.start_soon([this, t] { live(t); });
                dice own(seed_, 50);
                for (std::size_t i = own(5); i > 0; --i) {
                    pause(own);
                    disturb(own);
                }
                if (own.one_in(2)) return;
                weft::this_task::sleep_for(milliseconds(own(8)));
                for (lane& c : lanes_) for (auto& s : c.tx) change(c, [&] { close(s); });
            });
        });
        for (lane& c : lanes_) {
            auto s = c.observer.statistics();
            if (s.waiting_receivers + s.waiting_senders != 0) books_.complain("somebody is left in a queue of channel " + std::to_string(c.index));
            inspect(c);
            for (auto& s2 : c.tx) change(c, [&] { empty(s2); });
            for (auto& s2 : c.rx) change(c, [&] { empty(s2); });
        }
        if (event_.waiters() != 0) books_.complain("somebody is left in the event's queue");
        watch_ = nullptr;
        lanes_.clear();
    }

private:
    // --- handles, and the model of them ---
    void open_lane(std::size_t index, std::size_t capacity) {
        auto ends = capacity < 4 ? weft::detail::make_channel<item, L>({.capacity = capacity}, false) : weft::detail::make_channel<item, L>({}, true);
        lane& c = lanes_.emplace_back();
        c.index = index;
        c.capacity = ends.sender.statistics().capacity;
        c.observer = ends.receiver.clone();
        c.observer.close();
        c.tx.resize(2 + tasks_);
        c.rx.resize(2 + tasks_);
        fill(c.tx[0], std::move(ends.sender));
        fill(c.rx[0], std::move(ends.receiver));
        fill(c.tx[1], c.tx[0].handle.clone());
        fill(c.rx[1], c.rx[0].handle.clone());
    }
    template <class H> void fill(slot<H>& s, H h) {
        if (s.id != none) closed_[s.id] = true;
        s.handle = std::move(h);
        s.id = closed_.size();
        closed_.push_back(false);
    }
    template <class H> void close(slot<H>& s) {
        s.handle.close();
        if (s.id != none) closed_[s.id] = true;
    }
    template <class H> void empty(slot<H>& s) {
        s.handle = {};
        if (s.id != none) closed_[s.id] = true;
        s.id = none;
    }
    template <class H> void move(slot<H>& from, slot<H>& to) {
        if (&from == &to) return;
        if (to.id != none) closed_[to.id] = true;
        to.handle = std::move(from.handle);
        to.id = std::exchange(from.id, none);
    }
    template <class H> std::size_t open(std::vector<slot<H>> const& slots) const {
        std::size_t n = 0;
        for (auto const& s : slots) if (s.id != none && !closed_[s.id]) ++n;
        return n;
    }
    /// Does f to handles of c. With the last receiver goes exactly what is buffered.
    template <class F> void change(lane& c, F f) {
        std::size_t open_before = open(c.rx), buffered = c.observer.statistics().buffered;
        std::size_t discarded;
        {
            discarding d;
            f();
            discarded = d.count;
        }
        std::size_t expected = open_before > 0 && open(c.rx) == 0 ? buffered : 0;
        if (discarded != expected) books_.complain("a change of handles discarded " + std::to_string(discarded) + " items of " + std::to_string(buffered));
        inspect(c);
    }
    /// What must hold whenever a task can look.
    void inspect(lane& c) {
        auto s = c.observer.statistics();
        std::string wrong;
        if (s.senders != open(c.tx) || s.receivers != open(c.rx)) wrong = "open handles are miscounted";
        if (s.waiting_receivers > 0 && s.buffered > 0) wrong = "somebody waits to receive although something is buffered";
        if (s.waiting_senders > 0 && s.buffered < s.capacity) wrong = "somebody waits to send although there is room";
        if (s.waiting_receivers > 0 && s.senders == 0) wrong = "somebody waits to receive although no sender is left";
        if (s.waiting_senders > 0 && s.receivers == 0) wrong = "somebody waits to send although no receiver is left";
        if (s.buffered > s.capacity) wrong = "the buffer is larger than its capacity";
        if (!wrong.empty()) books_.complain(wrong + ", channel " + std::to_string(c.index));
    }

    // --- calls, and what they may answer ---
    template <class H> use with(lane& c, slot<H>& s) { return {&c, &s.id, s.id, std::is_same_v<H, sender>}; }
    template <class H> slot<H>& pick(std::vector<slot<H>>& slots, std::size_t me, dice& d) {
        std::size_t i = d(4);
        auto& own = slots[2 + me];
        return i < 2 ? slots[i] : own.id != none || d.one_in(16) ? own : slots[0];
    }
    lane& pick_lane(dice& d) { return lanes_[d(lanes_.size())]; }

    bool closed(std::size_t id) const { return id != none && closed_[id]; }
    /// In a catch block: whether the error that is being handled is true.
    bool justified(std::span<use const> uses) {
        auto any = [&](auto f) { return std::any_of(uses.begin(), uses.end(), f); };
        try {
            throw;
        } catch (weft::closed_resource_error const&) {
            ++seen.closed;
            return any([&](use const& u) { return closed(u.id); });
        } catch (weft::broken_resource_error const&) {
            ++seen.broken;
            return any([&](use const& u) { return u.sending && open(u.on->rx) == 0; });
        } catch (weft::end_of_channel const&) {
            ++seen.ended;
            return any([&](use const& u) { return !u.sending && open(u.on->tx) == 0 && u.on->observer.statistics().buffered == 0; });
        } catch (weft::misuse_error const&) {
            return any([&](use const& u) { return *u.id_now == none; });
        } catch (...) {
            return false;
        }
    }
    /// Makes the call f; true if it answered, false if it raised an error that it may raise.
    template <class F> bool call(std::size_t me, char const* name, std::span<use const> uses, F f) {
        bool answered = true;
        try {
            f();
        } catch (weft::cancelled const&) {
            say(me, name, 0, "cancelled");
            ++seen.cancelled;
            if (weft::current_effective_deadline() > weft::current_time()) books_.complain(std::string(name) + " was cancelled by nobody");
            for (use const& u : uses) inspect(*u.on);
            throw;
        } catch (std::exception const& x) {
            say(me, name, 1, x.what());
            if (!justified(uses)) books_.complain(std::string(name) + " of task " + std::to_string(me) + " raised: " + x.what());
            answered = false;
        }
        for (use const& u : uses) inspect(*u.on);
        return answered;
    }
    void refused(use const& u, char const* name) {  // a call that does not wait, just now
        ++seen.refused;
        auto s = u.on->observer.statistics();
        bool right = u.sending ? s.receivers > 0 && s.waiting_receivers == 0 && s.buffered == s.capacity : s.senders > 0 && s.waiting_senders == 0 && s.buffered == 0;
        if (!right || closed(u.id)) books_.complain(std::string(name) + " refused without cause, channel " + std::to_string(u.on->index));
    }
    void waited(weft::time_point until, char const* name) {
        ++seen.late;
        if (weft::current_time() < until) books_.complain(std::string(name) + " gave up too early");
    }

    /// An item in the hands of a sender, on its way into a channel.
    struct offer {
        offer(channel_program& p, std::size_t me, lane& c, slot<sender>& s, item& i) : prog(p), from(me), place(s), what(i), entry(*i.entry()), used(p.with(c, s)) {
            prog.books_.offers(entry, c.index);
        }
        ~offer() { if (!done) prog.books_.after_send(entry, what, false); }
        offer(offer const&) = delete;
        void sent() {
            if (done) prog.books_.complain("a send was taken twice");
            prog.books_.after_send(entry, what, true);
            prog.say(from, "sent", entry.number);
            done = true;
        }
        auto alternative(std::size_t& taken) { return place.handle.on_send(std::move(what), [this, &taken] { ++taken; sent(); }); }
        channel_program& prog;
        std::size_t from;
        slot<sender>& place;
        item& what;
        item_entry& entry;
        use used;
        bool done{};
    };
    struct wish {
        wish(channel_program& p, std::size_t me, lane& c, slot<receiver>& s) : prog(p), to(me), place(s), used(p.with(c, s)), asked(p.books_.tick()) {}
        void got(item i) {
            prog.books_.receives(i, used.on->index, to, asked);
            prog.say(to, "received", i.entry() ? i.entry()->number : 0);
            asked = prog.books_.tick();
        }
        auto alternative(std::size_t& taken) { return place.handle.on_receive([this, &taken](item i) { ++taken; got(std::move(i)); }); }
        auto alternative_or_end(std::size_t& taken) {
            return place.handle.on_receive([this, &taken](std::optional<item> i) {
                ++taken;
                if (i) got(std::move(*i));
                else if (prog.open(used.on->tx) > 0) prog.books_.complain("the end of a channel that has senders");
            });
        }
        channel_program& prog;
        std::size_t to;
        slot<receiver>& place;
        use used;
        std::uint64_t asked;
    };

    void send(std::size_t me, dice& d) {
        item mine(books_.make(me));
        for (int attempts = 1 + static_cast<int>(d(2)); attempts > 0 && mine.entry(); --attempts) {
            lane& c = pick_lane(d);
            offer o(*this, me, c, pick(c.tx, me, d), mine);
            std::span<use const> uses(&o.used, 1);
            auto until = weft::current_time() + milliseconds(d(3));
            switch (d(3)) {
                case 0: call(me, "send", uses, [&] { o.place.handle.send(std::move(mine)); o.sent(); }); break;
                case 1: call(me, "try_send", uses, [&] { if (o.place.handle.try_send(std::move(mine))) o.sent(); else refused(o.used, "try_send"); }); break;
                default: call(me, "send_until", uses, [&] { if (o.place.handle.send_until(std::move(mine), until)) o.sent(); else waited(until, "send_until"); });
            }
        }
    }
    void receive(std::size_t me, dice& d) {
        lane& c = pick_lane(d);
        wish w(*this, me, c, pick(c.rx, me, d));
        receiver& from = w.place.handle;
        std::span<use const> uses(&w.used, 1);
        auto until = weft::current_time() + milliseconds(d(3));
        switch (d(4)) {
            case 0: call(me, "receive", uses, [&] { w.got(from.receive()); }); break;
            case 1: call(me, "try_receive", uses, [&] { if (auto i = from.try_receive()) w.got(std::move(*i)); else refused(w.used, "try_receive"); }); break;
            case 2: call(me, "receive_until", uses, [&] { if (auto i = from.receive_until(until)) w.got(std::move(*i)); else waited(until, "receive_until"); }); break;
            default:
                call(me, "range", uses, [&] {
                    std::size_t left = 1 + d(4);
                    for (item& i : from) {
                        w.got(std::move(i));
                        if (--left == 0) return;
                        w.used.id = w.place.id;  // the next step is another call
                    }
                    if (open(c.tx) > 0) books_.complain("the range ended although there are senders");
                });
        }
    }
    void select(std::size_t me, dice& d) {
        lane &a = pick_lane(d), &b = pick_lane(d);
        item first(books_.make(me)), second(books_.make(me));
        offer to_a(*this, me, a, pick(a.tx, me, d), first), to_b(*this, me, b, pick(b.tx, me, d), second);
        wish of_a(*this, me, a, pick(a.rx, me, d)), of_b(*this, me, b, pick(b.rx, me, d));
        std::size_t taken = 0;
        auto count = [&] { ++taken; };
        auto until = weft::current_time() + milliseconds(d(3));
        auto late = [&] { count(); waited(until, "on_deadline"); };
        auto is_set = [&] { count(); if (!event_.is_set()) books_.complain("on_set of an event that is not set"); };
        std::array uses{to_a.used, to_b.used, of_a.used, of_b.used};
        auto check = [&](bool answered) { seen.selected += taken; if (taken != (answered ? 1u : 0u)) books_.complain("a select took " + std::to_string(taken) + " alternatives"); };
        auto some = [&](std::size_t from, std::size_t n) { return std::span<use const>(uses).subspan(from, n); };
        switch (d(8)) {
            case 0: check(call(me, "select rr", some(2, 2), [&] { weft::select(of_a.alternative(taken), of_b.alternative(taken)); })); break;
            case 1: check(call(me, "select ss", some(0, 2), [&] { weft::select(to_a.alternative(taken), to_b.alternative(taken)); })); break;
            case 2: check(call(me, "select rst", some(1, 2), [&] { weft::select(of_a.alternative(taken), to_b.alternative(taken), weft::on_deadline(until, late)); })); break;
            case 3: check(call(me, "select ssrr", uses, [&] {
                        weft::select(to_a.alternative(taken), of_b.alternative(taken), of_a.alternative(taken), to_b.alternative(taken), weft::on_deadline(until, late)); })); break;
            case 4: check(call(me, "select res", some(1, 2), [&] { weft::select(of_a.alternative_or_end(taken), event_.on_set(is_set), to_b.alternative(taken)); })); break;
            case 5: check(call(me, "select rrwd", some(2, 2), [&] {
                        weft::select(of_a.alternative_or_end(taken), of_b.alternative(taken), watch_->receiver.on_changed(count), weft::on_default(count)); })); break;
            case 6: check(call(me, "select swt", some(0, 1), [&] { weft::select(to_a.alternative(taken), watch_->receiver.on_changed(count), weft::on_deadline(until, late)); })); break;
            default: {
                bool any = false;
                bool answered = call(me, "try_select", some(1, 2), [&] {
                    any = weft::try_select(of_a.alternative(taken), to_b.alternative(taken));
                    if (!any) { refused(of_a.used, "try_select"); refused(to_b.used, "try_select"); }
                });
                check(answered && any);
            }
        }
    }

    // --- the tasks ---
    /// Does something to somebody else.
    void disturb(dice& d) {
        lane& c = pick_lane(d);
        std::size_t i = d(2 + tasks_), j = d(2 + tasks_), t = d(tasks_);
        switch (d(14)) {
            case 0: case 1: case 2: case 3: say(tasks_, "cancels", t); scopes_[t].cancel(); break;
            case 4: say(tasks_, "sets a deadline of", t); scopes_[t].set_deadline(weft::current_time() + milliseconds(d(4))); break;
            case 5: say(tasks_, "closes sender", i); change(c, [&] { close(c.tx[i]); }); break;
            case 6: say(tasks_, "closes receiver", i); change(c, [&] { close(c.rx[i]); }); break;
            case 7: say(tasks_, "empties sender", i); change(c, [&] { empty(c.tx[i]); }); break;
            case 8: say(tasks_, "empties receiver", i); change(c, [&] { empty(c.rx[i]); }); break;
            case 9: say(tasks_, "moves handles", i); change(c, [&] { if (d.one_in(2)) move(c.tx[i], c.tx[j]); else move(c.rx[i], c.rx[j]); }); break;
            case 10: copy(c, c.tx, i, j); break;
            case 11: copy(c, c.rx, i, j); break;
            case 12:
                say(tasks_, "closes a side of channel", c.index);
                if (d.one_in(2)) for (auto& s : c.tx) change(c, [&] { close(s); });
                else for (auto& s : c.rx) change(c, [&] { close(s); });
                break;
            default: if (d.one_in(2)) event_.set(); else watch_->sender.send(1);
        }
    }
    template <class H> void copy(lane& c, std::vector<slot<H>>& slots, std::size_t i, std::size_t j) {
        if (slots[i].id != none && !closed_[slots[i].id]) change(c, [&] { fill(slots[j], slots[i].handle.clone()); });
    }
    void pause(dice& d) {
        if (d.one_in(2)) weft::checkpoint();
        else weft::this_task::sleep_for(milliseconds(d(3)));
    }
    void step(std::size_t me, dice& d) {
        std::size_t k = d(12);
        if (k == 0) return disturb(d);
        if (k == 1) return pause(d);
        if (k <= 4) return select(me, d);
        if ((me < senders_) == (k != 5)) return send(me, d);
        receive(me, d);
    }
    void live(std::size_t me) {
        dice d(seed_, me + 1);
        if (d.one_in(2)) for (lane& c : lanes_) { copy(c, c.tx, d(2), 2 + me); copy(c, c.rx, d(2), 2 + me); }
        struct leave {
            channel_program& p;
            std::size_t me;
            ~leave() { for (lane& c : p.lanes_) { p.change(c, [&] { p.empty(c.tx[2 + me]); }); p.change(c, [&] { p.empty(c.rx[2 + me]); }); } }
        } at_end{*this, me};
        scopes_[me].run([&] {
            for (std::size_t steps = 1 + d(6); steps > 0; --steps) {
                if (d.one_in(4)) weft::move_on_after(milliseconds(d(4)), [&] { step(me, d); });
                else step(me, d);
            }
        });
        say(me, "ends", scopes_[me].cancelled_caught());
    }
    void say(std::size_t me, char const* what, std::size_t n = 0, char const* more = "") {
        trace = (trace * 31 + me) * 31 + n;
        if (verbose_) std::fprintf(stderr, "task %zu %s %zu %s\n", me, what, n, more);
    }

    std::uint64_t seed_;
    item_ledger& books_;
    bool verbose_;
    std::size_t senders_{}, tasks_{};
    std::deque<lane> lanes_;
    std::vector<char> closed_;  // by id of handle
    std::array<weft::cancel_scope, 8> scopes_;
    weft::basic_event<L> event_;
    weft::basic_watch<int, L>* watch_{};

public:
    tally seen;
    std::uint64_t trace{};  // of everything that happened
};

}  // namespace weft_test

#endif
