// SPDX-License-Identifier: BSL-1.0
// add_reader and add_writer: a descriptor that is watched until it is removed.
#include <weft/asio/callback_loop.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::detail {

namespace asio = boost::asio;

/// Watches a duplicate: the reactor knows a descriptor once, and the program may have it in an I/O object as well.
class fd_watch : public std::enable_shared_from_this<fd_watch> {
public:
    fd_watch(callback_core& c, int duplicate, bool write, std::function<void()> f) : core_(c), descriptor_(c.context(), duplicate), write_(write), f_(std::move(f)) {}

    void wait() {
        descriptor_.async_wait(write_ ? descriptor_.wait_write : descriptor_.wait_read, [self = shared_from_this()](boost::system::error_code const& e) {
            if (e || !self->active_) return;
            auto i = make_callback([self] { self->call(); });
            try { self->core_->enqueue(*i, "callback_loop::add_reader"); } catch (closed_resource_error const&) {}
        });
    }
    /// No call comes after this one.
    void end() noexcept {
        active_ = false;
        boost::system::error_code ignored;
        descriptor_.close(ignored);
    }

private:
    void call() {
        if (!active_) return;
        try {
            f_();
        } catch (...) {  // the exception handler may want to go on
            if (active_) wait();
            throw;
        }
        if (active_) wait();
    }

    callback_core_pointer core_;
    asio::posix::stream_descriptor descriptor_;
    bool write_;
    bool active_{true};
    std::function<void()> f_;
};

void watch_descriptor(callback_core& c, int fd, bool write, std::function<void()> f, char const* call) {
    c.check_open(call);
    struct stat kind{};
    if (::fstat(fd, &kind) == 0 && (S_ISREG(kind.st_mode) || S_ISDIR(kind.st_mode))) {  // always ready, says the kernel, and does not tell
        throw boost::system::system_error(EPERM, boost::system::system_category(), call);
    }
    int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) throw boost::system::system_error(errno, boost::system::system_category(), call);
    std::shared_ptr<fd_watch> w;
    try {
        w = std::make_shared<fd_watch>(c, duplicate, write, std::move(f));
    } catch (...) {  // Asio has not taken it, for instance because it cannot be waited for
        ::close(duplicate);
        throw;
    }
    auto& slot = c.watches[{fd, write}];
    if (slot) slot->end();
    slot = w;
    w->wait();
}

bool unwatch_descriptor(callback_core& c, int fd, bool write, char const* call) {
    c.check_open(call);
    auto at = c.watches.find({fd, write});
    if (at == c.watches.end()) return false;
    auto w = std::move(at->second);
    c.watches.erase(at);
    w->end();
    return true;
}

void end_watches(callback_core& c) noexcept {
    auto all = std::move(c.watches);
    c.watches.clear();
    for (auto& w : all) w.second->end();
}

}  // namespace weft::detail
