// SPDX-License-Identifier: BSL-1.0
// On posix_spawn and a pidfd. Boost.Process v2 of 1.81 makes its pipes without close-on-exec, so that they leak into what other threads
// start, does not compile over std::filesystem, and cannot give the child default signal dispositions.
#include <weft/net/process.hpp>

#include <weft/asio/executor.hpp>
#include <weft/core/checkpoint.hpp>
#include <weft/task/exception_group.hpp>
#include <weft/task/nursery.hpp>
#include <weft/task/timeouts.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace weft {
namespace {

namespace asio = boost::asio;

/// A write to a pipe that nobody reads shall be an error and not the end of this process: pipes know no MSG_NOSIGNAL.
void ignore_sigpipe() noexcept {
    struct sigaction now{};
    if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

[[noreturn]] void throw_errno(int e, std::string const& what) { throw boost::system::system_error(e, boost::system::system_category(), what); }

/// Owns a descriptor until somebody else does.
struct descriptor {
    int fd{-1};
    descriptor() = default;
    descriptor(descriptor const&) = delete;
    ~descriptor() { if (fd >= 0) ::close(fd); }
    int give() noexcept { return std::exchange(fd, -1); }
};

/// What posix_spawn is told.
class spawn_plan {
public:
    explicit spawn_plan(std::filesystem::path const& directory) {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);  // SIGPIPE is ignored here, and the child would inherit that
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (!directory.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    }
    spawn_plan(spawn_plan const&) = delete;
    ~spawn_plan() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    /// A pipe's near end, or none.
    void stream(process_stream s, int target, descriptor& near_end, descriptor& far_end) {
        bool input = target == STDIN_FILENO;
        if (s == process_stream::null) ::posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", input ? O_RDONLY : O_WRONLY, 0);
        if (s != process_stream::pipe) return;
        int p[2];
        if (::pipe2(p, O_CLOEXEC) != 0) throw_errno(errno, "weft::with_process: pipe");
        near_end.fd = p[input ? 1 : 0];
        far_end.fd = p[input ? 0 : 1];
        if (far_end.fd <= STDERR_FILENO) {  // this process runs without standard streams: keep clear of their places
            int moved = ::fcntl(far_end.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
            if (moved < 0) throw_errno(errno, "weft::with_process: fcntl");
            ::close(std::exchange(far_end.fd, moved));
        }
        ::posix_spawn_file_actions_adddup2(&actions_, far_end.fd, target);
    }

    int start(std::vector<std::string> const& command, std::optional<std::vector<std::string>> const& environment) {
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
        auto pointers = [](std::vector<std::string> const& v) {
            std::vector<char*> p;
            for (auto const& s : v) p.push_back(const_cast<char*>(s.c_str()));
            p.push_back(nullptr);
            return p;
        };
        std::vector<char*> arguments = pointers(command), variables = environment ? pointers(*environment) : std::vector<char*>();
        pid_t pid = 0;
        if (int e = ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), environment ? variables.data() : environ)) {
            throw_errno(e, "weft::with_process: " + command[0]);
        }
        return pid;
    }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

std::string joined(std::vector<std::string> const& command) {
    std::string s;
    for (auto const& c : command) s += (s.empty() ? "" : " ") + c;
    return s;
}

}  // namespace

struct process::impl {
    std::optional<asio::writable_pipe> in;
    std::optional<asio::readable_pipe> out, err;
    std::optional<asio::posix::stream_descriptor> handle;  // a pidfd: readable when the process has ended
    int pid{};
    duration grace{};
    bool ended{};
    process_status status;

    /// Reaps it, if it has ended.
    bool look() {
        if (ended) return true;
        int native = 0;
        int r = ::waitpid(pid, &native, WNOHANG);
        if (r == 0) return false;
        if (r < 0) throw boost::system::system_error(errno, boost::system::system_category(), "weft::process::wait: waitpid (is SIGCHLD ignored?)");
        if (WIFSIGNALED(native)) status.signal = WTERMSIG(native);
        else status.exit_code = WEXITSTATUS(native);
        return ended = true;
    }
    void close() noexcept {
        boost::system::error_code ignored;
        if (in) in->close(ignored);
        if (out) out->close(ignored);
        if (err) err->close(ignored);
    }
};

process::process(std::vector<std::string> const& command, process_options const& o) : impl_(new impl) {
    if (command.empty()) detail::throw_misuse("with_process of an empty command", "pass the program's name first, then its arguments.");
    auto ex = get_executor();
    impl_->grace = detail::checked_wait(o.grace, "process_options::grace");
    if (o.in == process_stream::pipe) ignore_sigpipe();
    descriptor in[2], out[2], err[2];
    spawn_plan plan(o.directory);
    plan.stream(o.in, STDIN_FILENO, in[0], in[1]);
    plan.stream(o.out, STDOUT_FILENO, out[0], out[1]);
    plan.stream(o.err, STDERR_FILENO, err[0], err[1]);
    // Before the start, as nothing may fail after it.
    impl_->handle.emplace(ex);
    if (in[0].fd >= 0) { impl_->in.emplace(ex, in[0].fd); in[0].give(); }
    if (out[0].fd >= 0) { impl_->out.emplace(ex, out[0].fd); out[0].give(); }
    if (err[0].fd >= 0) { impl_->err.emplace(ex, err[0].fd); err[0].give(); }
    impl_->pid = plan.start(command, o.environment);
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, impl_->pid, 0));
    boost::system::error_code ec;
    if (fd < 0) ec.assign(errno, boost::system::system_category());
    else impl_->handle->assign(fd, ec);
    if (ec) {
        ::kill(impl_->pid, SIGKILL);
        ::waitpid(impl_->pid, nullptr, 0);
        throw boost::system::system_error(ec, "weft::with_process: pidfd_open");
    }
}

process::~process() {
    if (!impl_->ended) {  // only after finish() has failed
        ::kill(impl_->pid, SIGKILL);
        ::waitpid(impl_->pid, nullptr, 0);
    }
}

int process::pid() const noexcept { return impl_->pid; }

namespace {
template <class P>
P& asked_for(std::optional<P>& p, char const* name) {
    if (!p) detail::throw_misuse((std::string("process::") + name + " of a stream that is no pipe").c_str(), "ask for it: process_options with process_stream::pipe.");
    return *p;
}
}  // namespace
asio::writable_pipe& process::in() { return asked_for(impl_->in, "in"); }
asio::readable_pipe& process::out() { return asked_for(impl_->out, "out"); }
asio::readable_pipe& process::err() { return asked_for(impl_->err, "err"); }

process_status process::wait() {
    if (impl_->look()) { checkpoint(); return impl_->status; }
    do impl_->handle->async_wait(asio::posix::stream_descriptor::wait_read, use_fiber);
    while (!impl_->look());
    return impl_->status;
}

void process::signal(int number) {
    if (impl_->look()) return;  // so that the number is not another process's by now
    if (::kill(impl_->pid, number) != 0) throw boost::system::system_error(errno, boost::system::system_category(), "weft::process::signal");
}

void process::finish(bool failed) {
    impl_->close();  // the body is done with them
    if (!failed) { wait(); return; }
    cancel_scope s;
    s.set_shield(true);
    s.run([&] {
        if (impl_->look()) return;
        terminate();
        if (move_on_after(impl_->grace, [&] { wait(); })) return;
        kill();
        wait();
    });
}

// --- run_process ---

namespace {

/// Reads a pipe to its end.
void read_all(asio::readable_pipe& from, std::string& to, std::size_t limit, char const* name) {
    char buffer[16 * 1024];
    for (;;) {
        boost::system::error_code ec;
        std::size_t n = from.async_read_some(asio::buffer(buffer), use_fiber[ec]);
        if (n > limit - to.size()) {
            throw misuse_error(detail::message("W101", std::string("run_process: the program wrote more than max_output to ") + name + detail::in_task(), std::to_string(limit) + " bytes are kept.",
                                               "raise run_process_options::max_output, or read the pipe in with_process."));
        }
        to.append(buffer, n);
        if (ec == asio::error::eof || ec == asio::error::broken_pipe) return;
        if (!ec) continue;
        check_cancelled();  // then that is what the code means
        throw boost::system::system_error(ec, "weft::run_process");
    }
}

void write_all(asio::writable_pipe& to, std::string const& text) {
    boost::system::error_code ec;
    asio::async_write(to, asio::buffer(text), use_fiber[ec]);
    check_cancelled();
    if (ec && ec != asio::error::broken_pipe) throw boost::system::system_error(ec, "weft::run_process");  // it need not read it
    to.close(ec);
}

[[noreturn]] void throw_failed(std::vector<std::string> const& command, completed_process const& c) {
    std::string how = c.status.signal ? "was ended by signal " + std::to_string(c.status.signal) : "exited with " + std::to_string(c.status.exit_code);
    std::string tail = c.err.size() > 2'000 ? "…" + c.err.substr(c.err.size() - 2'000) : c.err;
    throw process_error(detail::message("W102", "\"" + joined(command) + "\" " + how + detail::in_task(), tail.empty() ? "" : "it wrote to stderr: " + tail,
                                        "pass check = false where that is no error."), c.status);
}

}  // namespace

completed_process run_process(std::vector<std::string> const& command, run_process_options const& options) {
    process_options o;
    o.in = options.input.empty() ? process_stream::null : process_stream::pipe;
    o.out = options.capture_output ? process_stream::pipe : process_stream::inherit;
    o.err = options.capture_error ? process_stream::pipe : process_stream::inherit;
    o.directory = options.directory;
    o.environment = options.environment;
    o.grace = options.grace;
    completed_process result;
    with_process(command, o, [&](process& p) {
        auto exchange = [&](nursery& n) {
            if (o.in == process_stream::pipe) n.start_soon("stdin", [&] { write_all(p.in(), options.input); });
            if (options.capture_output) n.start_soon("stdout", [&] { read_all(p.out(), result.out, options.max_output, "stdout"); });
            if (options.capture_error) n.start_soon("stderr", [&] { read_all(p.err(), result.err, options.max_output, "stderr"); });
            result.status = p.wait();
        };
        try {
            with_nursery(exchange);
        } catch (exception_group const& g) {
            if (g.exceptions().size() == 1) std::rethrow_exception(g.exceptions().front());
            throw;
        }
    });
    if (options.check && !result.status.success()) throw_failed(command, result);
    return result;
}

}  // namespace weft
