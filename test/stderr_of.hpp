// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TEST_STDERR_OF_HPP
#define WEFT_TEST_STDERR_OF_HPP

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

namespace weft_test {

/// What the process writes to stderr while f runs; f must not throw.
template <class F>
std::string stderr_of(F&& f) {
    int file = ::memfd_create("stderr", MFD_CLOEXEC), before = ::dup(STDERR_FILENO);
    ::dup2(file, STDERR_FILENO);
    f();
    std::fflush(stderr);
    ::dup2(before, STDERR_FILENO);
    ::close(before);
    std::string written(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
    BOOST_REQUIRE(::pread(file, written.data(), written.size(), 0) == static_cast<ssize_t>(written.size()));
    ::close(file);
    return written;
}

}  // namespace weft_test

#endif
