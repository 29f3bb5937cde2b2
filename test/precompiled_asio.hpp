// SPDX-License-Identifier: BSL-1.0
// Compiled once for the tests that use Asio. A test includes what it uses all the same.
#ifndef WEFT_TEST_PRECOMPILED_ASIO_HPP
#define WEFT_TEST_PRECOMPILED_ASIO_HPP

#include "fixture.hpp"
#include <weft/asio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>

#endif
