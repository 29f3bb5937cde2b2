// SPDX-License-Identifier: BSL-1.0
#include <weft/net/unix.hpp>

#include <weft/asio/executor.hpp>
#include <weft/core/checkpoint.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft {
namespace {

namespace asio = boost::asio;
using protocol = asio::local::stream_protocol;
using namespace std::chrono_literals;

[[noreturn]] void throw_system(int e, std::string const& what) { throw boost::system::system_error(e, boost::system::system_category(), what); }

std::string shown(std::filesystem::path const& p) {
    std::string s = p.native();
    if (!s.empty() && s[0] == '\0') s[0] = '@';  // as tools write abstract names
    return s;
}
bool is_abstract(std::filesystem::path const& p) { return !p.empty() && p.native()[0] == '\0'; }

protocol::endpoint endpoint_of(std::filesystem::path const& path, char const* call) {
    if (path.empty()) throw_system(ENOENT, std::string(call) + ": an empty path");
    if (path.native().size() > 107) throw_system(ENAMETOOLONG, std::string(call) + ": " + shown(path));
    return protocol::endpoint(path.native());
}

// connect() of such a socket is done or has failed when it returns. With a full queue it answers EAGAIN, which Asio's async_connect takes for one
// under way, and then for a success.
int try_connect(protocol::socket& s, protocol::endpoint const& to) {
    s.open();
    s.native_non_blocking(true);
    while (::connect(s.native_handle(), to.data(), static_cast<socklen_t>(to.size())) != 0) if (errno != EINTR) return errno;
    return 0;
}

/// Keeps other servers from looking for a stale file in this folder, and from removing it. A lock of the folder leaves no file behind.
class folder_lock {
public:
    explicit folder_lock(std::filesystem::path const& file) {
        std::filesystem::path folder = file.parent_path();
        fd_ = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd_ < 0) throw_system(errno, "weft::serve_unix: " + shown(file));
        while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR) return;  // a file system without locks
            try { this_task::sleep_for(5ms); } catch (...) { ::close(fd_); throw; }
        }
    }
    ~folder_lock() { ::close(fd_); }
    folder_lock(folder_lock const&) = delete;

private:
    int fd_;
};

}  // namespace

protocol::socket connect_unix(std::filesystem::path const& path) {
    protocol::endpoint to = endpoint_of(path, "weft::connect_unix");
    check_cancelled();
    duration pause = 1ms;
    for (;;) {
        protocol::socket s(get_executor());
        int e = try_connect(s, to);
        if (e == 0) {
            yield_shielded();
            return s;
        }
        if (e != EAGAIN) throw_system(e, "weft::connect_unix: " + shown(path));
        this_task::sleep_for(pause);  // nothing tells when the queue has room
        pause = std::min<duration>(2 * pause, 100ms);
    }
}

namespace detail {

unix_listener::unix_listener(std::filesystem::path path, unix_options const& o) : path_(std::move(path)), acceptor_(get_executor()) {
    protocol::endpoint at = endpoint_of(path_, "weft::serve_unix");
    check_cancelled();
    acceptor_.open();
    if (is_abstract(path_)) {
        acceptor_.bind(at);
        acceptor_.listen();
        return;
    }
    path_ = std::filesystem::absolute(path_);  // the file is removed where it was made, wherever the process is then
    folder_lock alone(path_);
    boost::system::error_code ec;
    acceptor_.bind(at, ec);
    if (ec == asio::error::address_in_use && o.replace_stale && is_stale()) {
        if (::unlink(path_.c_str()) != 0 && errno != ENOENT) throw_system(errno, "weft::serve_unix: removing " + shown(path_));
        acceptor_.bind(at, ec);
    }
    if (ec) throw boost::system::system_error(ec, "weft::serve_unix: " + shown(path_));
    try {
        listen(o);
    } catch (...) {
        remove();
        throw;
    }
}

void unix_listener::listen(unix_options const& o) {
    struct stat s;
    if (::lstat(path_.c_str(), &s) != 0) throw_system(errno, "weft::serve_unix: " + shown(path_));
    device_ = s.st_dev;
    inode_ = s.st_ino;
    // Before listen(), without which nobody can connect.
    if (o.permissions && ::chmod(path_.c_str(), static_cast<mode_t>(*o.permissions)) != 0) throw_system(errno, "weft::serve_unix: permissions of " + shown(path_));
    acceptor_.listen();
}

bool unix_listener::is_stale() const {
    struct stat s;
    if (::lstat(path_.c_str(), &s) != 0) return errno == ENOENT;
    if (!S_ISSOCK(s.st_mode)) return false;
    // A datagram socket, so that a server of streams that lives is not disturbed by a connection: it answers EPROTOTYPE.
    protocol::endpoint at(path_.native());
    int probe = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    bool refused = ::connect(probe, at.data(), static_cast<socklen_t>(at.size())) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    return refused;
}

void unix_listener::remove() noexcept {
    struct stat s;
    if (inode_ != 0 && ::lstat(path_.c_str(), &s) == 0 && s.st_dev == device_ && s.st_ino == inode_) ::unlink(path_.c_str());
    inode_ = 0;
}

}  // namespace detail
}  // namespace weft
