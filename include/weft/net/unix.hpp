// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_UNIX_HPP
#define WEFT_NET_UNIX_HPP

#include <weft/net/serve.hpp>

#include <boost/asio/local/stream_protocol.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace weft {

/// Connects to the server that listens at a path; one that begins with a zero byte is an abstract name.
///
///     weft::unix_stream stream = weft::connect_unix("/run/app.socket");
///
/// Blocks:       always a checkpoint; waits where the server's queue is full.
/// Cancellation: nothing is left.
/// Throws:       system_error with the path: connection_refused where nobody listens, no_such_file_or_directory; name_too_long beyond 107 bytes.
boost::asio::local::stream_protocol::socket connect_unix(std::filesystem::path const& path);

struct unix_options {
    std::optional<unsigned> permissions{};  ///< of the socket's file: 0600 for this user alone. Absent: 0777 without the process's umask
    bool replace_stale{true};               ///< a socket's file that nobody listens at any more, of a server that died, is replaced
};

namespace detail {

/// An acceptor, and its file.
class unix_listener {
public:
    unix_listener(std::filesystem::path path, unix_options const& o);
    unix_listener(unix_listener const&) = delete;
    ~unix_listener() { remove(); }
    template <class Token>
    auto async_accept(Token&& token) { return acceptor_.async_accept(std::forward<Token>(token)); }
    void close(boost::system::error_code& ec) {
        remove();
        acceptor_.close(ec);
    }

private:
    void listen(unix_options const& o);
    bool is_stale() const;
    /// Removes the file, if it is this listener's still.
    void remove() noexcept;
    std::filesystem::path path_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    std::uint64_t device_{}, inode_{};  // of the file; 0: none
};

}  // namespace detail

/// Listens at a path and serves, as serve does. `started`, if given, is told once connections are accepted.
///
///     weft::serve_unix("/run/app.socket", [](weft::unix_stream s) { talk(s); }, {.max_connections = 100}, {.permissions = 0600});
///
/// The file appears with its permissions, before anybody can connect, and goes when the listener closes, or however else this ends; unless
/// another server has replaced it meanwhile. Two servers of weft's that start at once at one path do not take it from each other.
/// Throws: system_error: address_in_use where somebody listens or the file is no socket's; as serve.
template <class Handler>
void serve_unix(std::filesystem::path const& path, Handler handler, serve_options const& options = {}, unix_options const& listening = {},
                task_status<void>* started = nullptr) {
    detail::unix_listener listener(path, listening);
    if (started) started->started();
    serve(listener, std::move(handler), options);
}

}  // namespace weft

#endif
