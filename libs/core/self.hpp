// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_SELF_HPP
#define WEFT_LIBS_CORE_SELF_HPP

#include "core/kernel.hpp"

namespace weft::detail {

/// The running task, or the error that names what is wrong about calling `call` here.
inline task_record& self(char const* call) {
    kernel* k = this_kernel;
    if (!k || !k->current()) [[unlikely]] throw_outside(call);
    return *k->current();
}

}  // namespace weft::detail

#endif
