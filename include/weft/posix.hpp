// SPDX-License-Identifier: BSL-1.0
// The umbrella for code on descriptors: libc's calls, waiting in the task instead of the thread.
#ifndef WEFT_POSIX_HPP
#define WEFT_POSIX_HPP

#include <weft/posix/calls.hpp>
#include <weft/posix/fd.hpp>
#include <weft/posix/readiness.hpp>
#include <weft/posix/socket_streambuf.hpp>

#endif
