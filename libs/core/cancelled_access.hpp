// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_CANCELLED_ACCESS_HPP
#define WEFT_LIBS_CORE_CANCELLED_ACCESS_HPP

#include <weft/core/cancelled.hpp>

namespace weft::detail {

/// The only way to make a `cancelled`.
struct cancelled_access {
    static cancelled make(std::shared_ptr<cancel_info const> info) noexcept { return cancelled(std::move(info)); }
};

}  // namespace weft::detail

#endif
