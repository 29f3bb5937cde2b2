// SPDX-License-Identifier: BSL-1.0
#include "libraries/websocketpp_part.hpp"

#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/config/asio_no_tls_client.hpp>
#include <websocketpp/server.hpp>

#include <set>

namespace websocketpp_part {

using websocketpp::connection_hdl;

struct server::impl {
    using endpoint = websocketpp::server<websocketpp::config::asio>;
    endpoint e;
    std::set<connection_hdl, std::owner_less<connection_hdl>> open;
};

server::server(boost::asio::io_context& io, std::function<void(std::string, send_function)> on_message) : impl_(new impl) {
    auto& e = impl_->e;
    e.clear_access_channels(websocketpp::log::alevel::all);
    e.clear_error_channels(websocketpp::log::elevel::all);
    e.init_asio(&io);
    e.set_reuse_addr(true);
    e.set_open_handler([this](connection_hdl h) { impl_->open.insert(h); });
    e.set_close_handler([this](connection_hdl h) { impl_->open.erase(h); });
    e.set_message_handler([this, on_message](connection_hdl h, impl::endpoint::message_ptr m) {
        on_message(m->get_payload(), [this, h](std::string text) {
            websocketpp::lib::error_code ignored;
            impl_->e.send(h, text, websocketpp::frame::opcode::text, ignored);
        });
    });
    e.listen(boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    e.start_accept();
}
server::~server() = default;

unsigned short server::port() const {
    boost::system::error_code ignored;
    return impl_->e.get_local_endpoint(ignored).port();
}

void server::stop() {
    impl_->e.stop_listening();
    for (auto const& h : impl_->open) {
        websocketpp::lib::error_code ignored;
        impl_->e.close(h, websocketpp::close::status::going_away, "", ignored);
    }
}

struct client::impl {
    using endpoint = websocketpp::client<websocketpp::config::asio_client>;
    endpoint e;
    connection_hdl handle;
    client_callbacks callbacks;
};

client::client(boost::asio::io_context& io, std::string const& uri, client_callbacks c) : impl_(new impl) {
    auto& e = impl_->e;
    impl_->callbacks = std::move(c);
    e.clear_access_channels(websocketpp::log::alevel::all);
    e.clear_error_channels(websocketpp::log::elevel::all);
    e.init_asio(&io);
    e.set_open_handler([this](connection_hdl h) { impl_->handle = h; impl_->callbacks.on_open(); });
    e.set_message_handler([this](connection_hdl, impl::endpoint::message_ptr m) { impl_->callbacks.on_message(m->get_payload()); });
    e.set_close_handler([this](connection_hdl) { impl_->callbacks.on_end("closed"); });
    e.set_fail_handler([this](connection_hdl h) { impl_->callbacks.on_end("failed: " + impl_->e.get_con_from_hdl(h)->get_ec().message()); });
    websocketpp::lib::error_code ec;
    auto connection = e.get_connection(uri, ec);
    if (ec) throw std::runtime_error(ec.message());
    e.connect(connection);
}
client::~client() = default;

void client::send(std::string text) { impl_->e.send(impl_->handle, text, websocketpp::frame::opcode::text); }
void client::close() {
    websocketpp::lib::error_code ignored;
    impl_->e.close(impl_->handle, websocketpp::close::status::normal, "", ignored);
}

}  // namespace websocketpp_part
