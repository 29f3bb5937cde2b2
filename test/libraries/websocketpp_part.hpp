// SPDX-License-Identifier: BSL-1.0
// A program part of somebody who knows websocketpp, and nothing of weft: it is compiled as C++17, which websocketpp needs.
#ifndef WEFT_TEST_WEBSOCKETPP_PART_HPP
#define WEFT_TEST_WEBSOCKETPP_PART_HPP

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>

namespace websocketpp_part {

using send_function = std::function<void(std::string)>;

/// Calls on_message(text, reply) for each message. Stops listening and closes the connections in stop().
class server {
public:
    server(boost::asio::io_context& io, std::function<void(std::string, send_function)> on_message);
    ~server();
    unsigned short port() const;
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

struct client_callbacks {
    std::function<void()> on_open;
    std::function<void(std::string)> on_message;
    std::function<void(std::string)> on_end;  ///< closed, or failed: why
};

class client {
public:
    client(boost::asio::io_context& io, std::string const& uri, client_callbacks c);
    ~client();
    void send(std::string text);
    void close();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace websocketpp_part

#endif
