// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_INSPECT_BLOCKING_CALL_HPP
#define WEFT_LIBS_INSPECT_BLOCKING_CALL_HPP

#include <string>

#include <sys/types.h>

namespace weft::inspect {

/// Where a thread of this process stands, by /proc: which says it of a thread that sleeps in the kernel.
struct thread_place {
    bool known{};        ///< /proc could be read
    bool computes{};     ///< it does not sleep
    long number{-1};     ///< of the system call, if it sleeps in one
    std::string text{};  ///< the call with its arguments and addresses: equal as long as it is the same call
};
thread_place place_of(pid_t thread);

/// A system call that blocks, by the name that programs know, and what to call in its place.
struct blocking_call {
    std::string name;
    char const* help;
};
blocking_call blocking_call_of(long number);
/// Whether it is how an event loop waits.
bool waits_for_events(long number) noexcept;

}  // namespace weft::inspect

#endif
