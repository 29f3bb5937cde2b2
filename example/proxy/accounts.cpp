// SPDX-License-Identifier: BSL-1.0
#include "accounts.hpp"

#include "backends.hpp"

#include <ostream>

namespace proxy {

void print(std::ostream& os, accounts const& a, backends const& all) {
    os << "connections  " << a.accepted << " accepted, " << a.open << " open, " << a.most_open << " at most\n"
       << "ended        " << a.in_order << " in order, " << a.reset << " by a reset, " << a.idle << " idle, " << a.cut << " cut, " << a.unserved << " without a backend, "
       << a.failed << " failed\n"
       << "bytes        " << a.bytes_up << " to the backends, " << a.bytes_down << " to the clients\n";
    for (auto const& b : all.list()) {
        os << "backend      " << b.at.text() << "  " << b.connections << " connections, " << b.failures << " failures";
        if (b.failures_in_a_row > 0) os << ", the last: " << b.last_failure;
        os << '\n';
    }
    os.flush();
}

}  // namespace proxy
