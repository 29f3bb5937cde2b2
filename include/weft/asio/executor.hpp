// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_ASIO_EXECUTOR_HPP
#define WEFT_ASIO_EXECUTOR_HPP

#include <boost/asio/io_context.hpp>

namespace weft {

/// The executor of this thread's run, for building I/O objects and for asio::post. I/O objects made from it must be
/// destroyed before the run ends.
///
/// Throws: not_running_error outside of a run, or in a run whose driver has no io_context (testing::virtual_driver).
/// Threads: the call, the runtime's own; the executor it returns may be used to post from any thread.
boost::asio::io_context::executor_type get_executor();

}  // namespace weft

#endif
