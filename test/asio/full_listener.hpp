// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TEST_ASIO_FULL_LISTENER_HPP
#define WEFT_TEST_ASIO_FULL_LISTENER_HPP

#include <weft/asio/executor.hpp>

#include <boost/asio/ip/tcp.hpp>

namespace weft_test {

/// A listener whose queue is full: the kernel answers nobody else.
struct full_listener {
    boost::asio::ip::tcp::acceptor acceptor{weft::get_executor()};
    boost::asio::ip::tcp::socket first{weft::get_executor()};
    boost::asio::ip::tcp::endpoint where;
    full_listener() {
        acceptor.open(boost::asio::ip::tcp::v4());
        acceptor.bind({boost::asio::ip::address_v4::loopback(), 0});
        acceptor.listen(0);
        where = acceptor.local_endpoint();
        first.connect(where);
    }
    void make_room() { static_cast<void>(acceptor.accept()); }
};

}  // namespace weft_test

#endif
