// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_OVERFLOW_HPP
#define WEFT_LIBS_CORE_OVERFLOW_HPP

#include <cstddef>
#include <memory>

namespace weft::detail {

/// While it lives, a stack overflow on this thread names the task and its stack size before the process dies. It gives
/// the thread an alternate signal stack if it has none, and installs the process-wide handler once; the handler that
/// was there before still runs, and a core is still written.
class overflow_reporter {
public:
    overflow_reporter();
    ~overflow_reporter();
    overflow_reporter(overflow_reporter const&) = delete;

private:
    std::unique_ptr<std::byte[]> stack_;  ///< null if the thread had one
};

}  // namespace weft::detail

#endif
