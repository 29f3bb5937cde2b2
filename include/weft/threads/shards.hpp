// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_THREADS_SHARDS_HPP
#define WEFT_THREADS_SHARDS_HPP

#include <weft/core/run.hpp>
#include <weft/threads/run_token.hpp>

#include <functional>
#include <type_traits>

namespace weft {

struct shards_options {
    run_options run;       ///< of each shard; its name gets " shard N". Without an oracle and a clock of its own: these belong to one run
    bool pin_threads{};    ///< true: thread i runs on processor i (modulo the processors of this process) only
};

/// One of several runtimes that work together, each on a thread of its own, as its main task sees it.
class shard {
public:
    unsigned index() const noexcept { return index_; }
    unsigned count() const noexcept { return count_; }
    /// The shard with that index, for posts and calls: `s.on(2).call(f)`. A call that is cancelled here is cancelled there.
    /// Throws: misuse_error if there is none.
    run_token const& on(unsigned index) const;

    shard(unsigned index, unsigned count, run_token const* tokens) noexcept : index_(index), count_(count), tokens_(tokens) {}

private:
    unsigned index_;
    unsigned count_;
    run_token const* tokens_;  // of all shards
};

/// One runtime a core.
///
///     weft::shards::run(4, [](weft::shard& s) { serve(s.index()); });
///
/// Shards share nothing but what the program shares: weft::shared:: channels and events, std-named locks, tokens. Listeners that each
/// shard opens on the same port: see reuse_port.hpp.
class shards {
public:
    /// Runs f as the main task of n runtimes, each on a new thread, and waits for the end of all. No f starts before every
    /// runtime is up. n = 0: one for each processor.
    ///
    /// Blocks: until all have ended; a plain thread blocks, a task of some run parks.
    /// Cancellation: of the calling task: every shard's main task is cancelled, and awaited.
    /// Throws: exception_group of what the shards threw: the first error cancels the others; misuse_error for options that belong to one
    ///         run; std::system_error, in the group, for a thread that cannot be started; cancelled; wrong_domain_error in a callback.
    template <class F>
    static void run(unsigned n, shards_options const& options, F&& f) {
        run_all(n, options, [&f](shard& s) {
            if constexpr (std::is_invocable_v<F&, shard&>) f(s);
            else if constexpr (std::is_invocable_v<F&, unsigned>) f(s.index());
            else f();
        });
    }
    template <class F>
    static void run(unsigned n, F&& f) { run(n, shards_options{}, std::forward<F>(f)); }

private:
    static void run_all(unsigned n, shards_options const& options, std::function<void(shard&)> const& f);
};

}  // namespace weft

#endif
