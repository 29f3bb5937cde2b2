// SPDX-License-Identifier: BSL-1.0
// The crossing to Boost.Asio: blocking calls on fibers, tasks from callbacks.
#ifndef WEFT_ASIO_HPP
#define WEFT_ASIO_HPP

#include <weft/asio/async_items.hpp>
#include <weft/asio/callback_loop.hpp>
#include <weft/asio/executor.hpp>
#include <weft/asio/future.hpp>
#include <weft/asio/guest_run.hpp>
#include <weft/asio/select.hpp>
#include <weft/asio/spawn.hpp>
#include <weft/asio/suspend_with.hpp>
#include <weft/asio/use_fiber.hpp>

#endif
