// SPDX-License-Identifier: BSL-1.0
// Looking into a running program.
#ifndef WEFT_INSPECT_HPP
#define WEFT_INSPECT_HPP

#include <weft/inspect/dump.hpp>
#include <weft/inspect/watchdog.hpp>

#endif
