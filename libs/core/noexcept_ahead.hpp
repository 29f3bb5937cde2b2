// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_NOEXCEPT_AHEAD_HPP
#define WEFT_LIBS_CORE_NOEXCEPT_AHEAD_HPP

#include "core/frame_rule.hpp"

#include <string>
#include <unordered_map>

namespace weft { class cancel_state; }

namespace weft::detail {

/// Looks, before a cancellation is thrown, at the frames that it would cross: one that is noexcept would end the program.
///
/// The frames are found and judged by the tables that the compiler wrote for exceptions, and each place in the code is
/// judged once: later walks cost a look-up a frame. It walks over the stack of a suspended task as well as over the running one.
/// What it cannot see: a module that is unloaded and another loaded in its place; frames whose tables are unreadable, which count as
/// letting everything through; a handler that keeps the exception and throws it later.
class noexcept_ahead {
public:
    struct stack_bounds { std::uintptr_t low, top; };
    /// What becomes of `cancelled` in a frame.
    enum class fate : std::uint8_t {
        passes,     ///< it goes on to the caller, perhaps rethrown
        terminates, ///< it ends the program
        handled,    ///< a handler of its type takes it: a scope's, or one of the program
        swallowed   ///< a handler of every type takes it and does not rethrow it
    };

    /// The start of the first function, from `from` outwards to the frame that holds the address `limit`, that would end the
    /// program if `cancelled` were thrown at `from`; 0 if there is none, or a handler of the program's takes it before. `scope` is the task's innermost.
    std::uintptr_t find(code_position from, cancel_state const* scope, std::uintptr_t limit, stack_bounds bounds);

private:
    struct judged {
        frame_rule rule;
        fate what{fate::passes};
    };
    judged const& judge(std::uintptr_t place);

    std::unordered_map<std::uintptr_t, judged> places_;
};

/// "Conn::~Conn()", or "program+0x1234" where the function's name is not exported; for messages.
std::string function_name(std::uintptr_t function);

}  // namespace weft::detail

#endif
