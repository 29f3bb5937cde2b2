// SPDX-License-Identifier: BSL-1.0
#include "peer.hpp"

#include <weft/weft.hpp>

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace proxy {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using boost::system::error_code;

peer::peer(tcp::socket s) : socket(std::move(s)) {
    error_code gone;  // then the first read tells
    socket.set_option(tcp::no_delay(true), gone);
}

peer::~peer() {
    error_code ignored;  // there is nobody to tell, and the descriptor is closed in any case
    if (!in_order) socket.set_option(tcp::socket::linger(true, 0), ignored);
    socket.close(ignored);
}

void peer::wait_until_delivered() {
    weft::move_on_after(1s, [&] {
        for (auto pause = 1ms;; pause = std::min(2 * pause, 50ms)) {  // the kernel reports no such event
            int unacknowledged = 0;
            if (broken || ::ioctl(socket.native_handle(), SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0) return;
            weft::this_task::sleep_for(pause);
        }
    });
}

}  // namespace proxy
