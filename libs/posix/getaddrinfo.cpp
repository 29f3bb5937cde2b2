// SPDX-License-Identifier: BSL-1.0
#include <weft/posix/calls.hpp>

#include <weft/threads/to_thread.hpp>

#include "posix/waits.hpp"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>

namespace weft {
namespace {

struct answer {
    struct freer { void operator()(addrinfo* a) const noexcept { ::freeaddrinfo(a); } };
    int code;
    int error;  ///< errno, for EAI_SYSTEM
    std::unique_ptr<addrinfo, freer> list;
};

std::optional<std::string> kept(char const* s) { return s ? std::optional<std::string>(s) : std::nullopt; }

}  // namespace

int posix::getaddrinfo(char const* node, char const* service, addrinfo const* hints, addrinfo** result) {
    if (!detail::in_task("posix::getaddrinfo")) return detail::libc.getaddrinfo(node, service, hints, result);
    // The thread may outlive the caller, so it owns what it asks with.
    answer a = to_thread([node = kept(node), service = kept(service), hints = hints ? std::optional(*hints) : std::nullopt] {
        addrinfo* list = nullptr;
        int code = detail::libc.getaddrinfo(node ? node->c_str() : nullptr, service ? service->c_str() : nullptr, hints ? &*hints : nullptr, &list);
        return answer{code, errno, std::unique_ptr<addrinfo, answer::freer>(code == 0 ? list : nullptr)};
    }, {.abandon_on_cancel = true, .name = "getaddrinfo"});
    if (a.code == 0) *result = a.list.release();
    else errno = a.error;
    return a.code;
}

}  // namespace weft
