// SPDX-License-Identifier: BSL-1.0
#include <weft/net/serve.hpp>

#include <cerrno>

namespace weft::detail {

accept_failure classify_accept(boost::system::error_code const& e) noexcept {
    if (e.category() != boost::system::system_category()) return accept_failure::fatal;
    switch (e.value()) {
        case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM: return accept_failure::pause;
        // Of the connection that was to be accepted, says accept(2), and not of the listener.
        case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case ENONET: case EHOSTUNREACH: case EOPNOTSUPP: case ENETUNREACH:
        case EPERM: case EINTR: case EAGAIN: return accept_failure::retry;
        default: return accept_failure::fatal;
    }
}

}  // namespace weft::detail
