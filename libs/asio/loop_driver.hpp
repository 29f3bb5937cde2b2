// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_ASIO_LOOP_DRIVER_HPP
#define WEFT_LIBS_ASIO_LOOP_DRIVER_HPP

#include <weft/asio/detail/home_executor.hpp>
#include <weft/core/driver.hpp>

namespace weft::detail {

inline constexpr char asio_kind{};

/// A driver over an io_context: what get_executor() asks for.
class loop_driver : public driver {
public:
    virtual loop_context& context() noexcept = 0;
    void const* kind() const noexcept final { return &asio_kind; }
};

}  // namespace weft::detail

#endif
