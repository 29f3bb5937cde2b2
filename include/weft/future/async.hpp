// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_ASYNC_HPP
#define WEFT_FUTURE_ASYNC_HPP

#include <weft/future/detail/async_state.hpp>
#include <weft/future/future.hpp>

namespace weft {

template <class F, class... A>
using async_result_t = std::invoke_result_t<std::decay_t<F>, std::decay_t<A>...>;

/// Calls f(a...), decay-copied, in a task of its own (std::launch::async, and by default), or in whoever first calls get() or
/// wait() (std::launch::deferred). std::async with fibers. Outside of a run it starts a plain thread, as std::async does.
///
///     auto f = weft::async([&] { return query(); });
///     use(f.get());
///
/// The task is a child of the run's root nursery: it is cancelled when the run ends. Its error is the future's, and is lost
/// with it. The last future's destructor waits for the task's end, as std's does, shielded: no cancellation ends that wait,
/// but one that is under way or arrives is passed on to the task. A waiter that is cancelled, if nobody else waits, cancels the
/// task and waits for its end (see future); use wait_for to give up only the waiting. In a callback the destructor leaves the
/// task to the run.
///
/// Blocks:  never; the task starts later.
/// Throws:  misuse_error for no policy; what copying throws; outside of a run std::system_error if there is no thread to be had.
/// Threads: any; so the future.    Memory order: the call happens-before f.
/// Source:  std::async. Instead: nursery::spawn, whose tasks have a place in the tree.
template <class F, class... A>
future<async_result_t<F, A...>> async(std::launch policy, F&& f, A&&... a) {
    using R = async_result_t<F, A...>;
    using call = detail::bound_call<std::decay_t<F>, std::decay_t<A>...>;
    auto has = [&](std::launch l) { return (policy & l) == l; };
    detail::nursery_record* home = has(std::launch::async) ? detail::async_home() : nullptr;
    if (home) {
        using of_task = detail::async_state<R, call>;
        detail::producer_ref<of_task> s(new of_task(std::forward<F>(f), std::forward<A>(a)...));
        auto* p = std::addressof(*s);
        auto& t = detail::make_child(*home, "async", source_place(), [p] { p->run(); });
        p->start(t, *p);
        p->add_consumer();
        return future<R>(*p);
    }
    if (has(std::launch::async)) {
        using plain = detail::plain_async_state<R, call>;
        detail::producer_ref<plain> s(new plain(std::forward<F>(f), std::forward<A>(a)...));
        s->start();
        s->add_consumer();
        return future<R>(*s);
    }
    if (!has(std::launch::deferred)) detail::throw_misuse("weft::async with no launch policy", "pass std::launch::async, std::launch::deferred, or both.");
    detail::producer_ref<detail::deferred_state<R, call>> s(new detail::deferred_state<R, call>(std::forward<F>(f), std::forward<A>(a)...));
    s->add_consumer();
    return future<R>(*s);
}

template <class F, class... A>
    requires(!std::is_same_v<std::decay_t<F>, std::launch>)
future<async_result_t<F, A...>> async(F&& f, A&&... a) {
    return weft::async(std::launch::async | std::launch::deferred, std::forward<F>(f), std::forward<A>(a)...);
}

}  // namespace weft

#endif
