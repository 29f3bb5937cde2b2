// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_STD_DETACHED_THREADS_HPP
#define WEFT_LIBS_STD_DETACHED_THREADS_HPP

#include <weft/std/detail/thread_state.hpp>
#include <weft/sync/event.hpp>

#include <optional>
#include <stop_token>

namespace weft::detail {

/// The detached threads of a run. They are shielded from the run's end, which main alone brings about; this object ends them
/// instead: a request to stop, the grace time, a cancellation. The run's thread only.
class detached_threads {
public:
    detached_threads();
    detached_threads(detached_threads const&) = delete;
    static detached_threads& of_this_run();

    void add(thread_state& s) noexcept;
    void remove(thread_state& s) noexcept;

private:
    void end_soon() noexcept;  ///< the run ends
    void end_all();
    template <class F> void for_each(F&& f) { for (thread_state* s = first_; s; s = s->next_detached_) f(*s); }

    thread_state* first_{};
    event gone_;               ///< set when the last has ended, while somebody waits for it
    struct ending { detached_threads* threads; void operator()() const noexcept { threads->end_soon(); } };
    std::optional<std::stop_callback<ending>> at_end_;
    bool is_ending_{};
};

}  // namespace weft::detail

#endif
