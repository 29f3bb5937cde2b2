// SPDX-License-Identifier: BSL-1.0
#include <weft/net/socket_stream.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/task/timeouts.hpp>

namespace weft {
namespace detail {

void throw_closed_socket(char const* call) {
    throw closed_resource_error(message("W122", std::string(call) + ": the socket is closed" + in_task(), "it was closed by this side, perhaps while the task waited, or was moved from.",
                                        "let whoever uses it end before it is closed, or catch this where closing is the way to end them."));
}

void throw_broken_stream(char const* call) {
    throw broken_resource_error(message("W123", std::string(call) + ": an earlier write ended half way" + in_task(), "it was cancelled, or failed, and nobody knows what the other side has of it.",
                                        "close the stream; shield a write that must not be cut, and give it a deadline of its own."));
}

}  // namespace detail

template <class Protocol>
void basic_socket_stream<Protocol>::close_gracefully(duration grace) {
    if (!is_open()) { checkpoint(); return; }
    detail::checked_wait(grace, "close_gracefully");
    struct at_end {
        basic_socket_stream& s;
        ~at_end() { s.close(); }
    } in_any_case{*this};
    auto state = state_.open("stream.close_gracefully");
    if (state->reading.busy() || state->writing.busy()) {
        close();
        checkpoint();
        return;
    }
    move_on_after(grace, [&] {
        boost::system::error_code ec;
        check_cancelled();
        state->socket.shutdown(socket_type::shutdown_send, ec);
        resource_guard::scoped reading(state->reading), writing(state->writing);
        char dropped[4096];
        while (!ec && detail::read_once(state->socket, boost::asio::buffer(dropped)).report(ec) > 0) {}
        check_cancelled();  // then that is what the code means
    });
    checkpoint();
}

template void basic_socket_stream<boost::asio::ip::tcp>::close_gracefully(duration);
template void basic_socket_stream<boost::asio::local::stream_protocol>::close_gracefully(duration);

}  // namespace weft
