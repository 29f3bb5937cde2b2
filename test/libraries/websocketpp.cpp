// SPDX-License-Identifier: BSL-1.0
// websocketpp, a library of callbacks that was written for Asio alone, on a run's io_context: its callbacks start tasks, and
// tasks wait for its callbacks.
#include "fixture.hpp"
#include "libraries/websocketpp_part.hpp"

#include <weft/asio.hpp>

#include <boost/asio/io_context.hpp>

using namespace weft_test;
namespace ws = websocketpp_part;

namespace {

boost::asio::io_context& the_context() { return static_cast<boost::asio::io_context&>(boost::asio::query(weft::get_executor(), boost::asio::execution::context)); }

/// A blocking face for the callbacks of a client: what a user of weft writes once.
class connection {
public:
    explicit connection(unsigned short port) {
        std::string why = weft::suspend_with<std::string>([&](auto opened) {
            client_.emplace(the_context(), "ws://127.0.0.1:" + std::to_string(port) + "/",
                            ws::client_callbacks{[opened] { opened(std::string()); },
                                                 [this](std::string text) { incoming_.sender.try_send(std::move(text)); },
                                                 [this, opened](std::string reason) { opened(reason); incoming_.sender.close(); ended_.set(); }});
        });
        if (!why.empty()) throw std::runtime_error(why);
    }
    ~connection() {
        client_->close();
        ended_.wait();  // in a destructor: it completes also while an exception is in flight
    }
    void send(std::string text) { client_->send(std::move(text)); }
    std::string receive() { return incoming_.receiver.receive(); }

private:
    decltype(weft::make_unbounded_channel<std::string>()) incoming_ = weft::make_unbounded_channel<std::string>();
    weft::event ended_;
    std::optional<ws::client> client_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(websocketpp_library)

BOOST_AUTO_TEST_CASE(its_callbacks_start_tasks_and_tasks_wait_for_its_callbacks) {
    weft::run([] {
        std::optional<ws::server> server;
        weft::with_nursery([&](weft::nursery& n) {
            server.emplace(the_context(), [&](std::string text, ws::send_function reply) {
                n.start_soon([text, reply] {  // a callback may not block; a task may
                    weft::this_task::sleep_for(1ms);
                    reply("<" + text + ">");
                });
            });
            int right = 0;
            weft::with_nursery([&](weft::nursery& clients) {
                for (int c = 0; c < 5; ++c) clients.start_soon([&, c] {
                    connection client(server->port());
                    for (int i = 0; i < 5; ++i) {
                        std::string text = std::to_string(c * 10 + i);
                        client.send(text);
                        if (client.receive() == "<" + text + ">") ++right;
                    }
                });
            });
            BOOST_TEST(right == 25);
            server->stop();
        });
        weft::testing::wait_all_tasks_blocked();
    });
}

BOOST_AUTO_TEST_CASE(a_deadline_ends_a_wait_and_the_connection_is_usable_afterwards) {
    weft::run([] {
        std::optional<ws::server> server;
        weft::event go;
        weft::with_nursery([&](weft::nursery& n) {
            server.emplace(the_context(), [&](std::string text, ws::send_function reply) {
                n.start_soon([&go, text, reply] {
                    if (text == "slow") go.wait();
                    reply(text);
                });
            });
            connection client(server->port());
            client.send("slow");
            BOOST_TEST(!weft::move_on_after(2ms, [&] { client.receive(); }));
            client.send("quick");
            BOOST_TEST(client.receive() == "quick");
            go.set();
            BOOST_TEST(client.receive() == "slow");
            server->stop();
        });
    });
}

BOOST_AUTO_TEST_CASE(a_connection_that_fails_is_an_exception_of_the_task) {
    weft::run([] { BOOST_CHECK_THROW(connection(1), std::runtime_error); });
}

BOOST_AUTO_TEST_SUITE_END()
