// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_PROXY_HPP
#define PROXY_PROXY_HPP

#include "options.hpp"

namespace proxy {

/// Serves until SIGTERM or SIGINT, then drains, and prints the accounts.
/// Blocks: until then. Throws: system_error if it cannot listen; what ends weft::serve.
void serve(options const& o);

}  // namespace proxy

#endif
