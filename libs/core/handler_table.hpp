// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_HANDLER_TABLE_HPP
#define WEFT_LIBS_CORE_HANDLER_TABLE_HPP

#include <cstdint>
#include <typeinfo>

namespace weft::detail {

/// What an exception meets in a frame, as the function's table of handlers (LSDA) has it.
struct meeting {
    enum class kind : std::uint8_t {
        passes,         ///< nothing: it goes on to the caller
        terminates,     ///< the place is covered by no entry, or by a specification that allows nothing: std::terminate
        cleanup,        ///< destructors run, at landing_pad, and then more must be known of that code
        handler,        ///< one for its type
        catch_all       ///< one for everything; clang lands in one, too, where a function is noexcept
    };
    kind what{kind::passes};
    std::uintptr_t landing_pad{};  ///< of the last three
};

/// What an exception of type `thrown` meets at `place` in the function that begins at `function`.
meeting meet(std::uintptr_t handlers, std::uintptr_t function, std::uintptr_t place, std::type_info const& thrown) noexcept;

}  // namespace weft::detail

#endif
