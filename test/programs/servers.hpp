// SPDX-License-Identifier: BSL-1.0
// Real servers for tests: started by the test, in a temporary folder, ended with it.
//
//     weft_test::temporary_folder folder("redis");
//     weft_test::server redis({"redis-server", "--port", "0", "--unixsocket", folder / "s"}, {.log = folder / "log"});
//     redis.wait_ready([&] { return weft_test::can_connect(folder / "s"); });
//
// A server ends with its object, and by the kernel's hand (PR_SET_PDEATHSIG) where the test itself is killed. To be started on the
// test program's first thread, outside of a run: the process is forked.
#ifndef WEFT_TEST_PROGRAMS_SERVERS_HPP
#define WEFT_TEST_PROGRAMS_SERVERS_HPP

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft_test {

/// The user to run as where the test is root; -1: as it is.
inline std::pair<uid_t, gid_t> user_ids(std::string const& name) {
    if (name.empty() || ::geteuid() != 0) return {static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
    passwd const* p = ::getpwnam(name.c_str());
    if (!p) throw std::runtime_error("there is no user " + name);
    return {p->pw_uid, p->pw_gid};
}

/// Removed with all that is in it. Short, because the path of a Unix socket has at most 107 characters.
class temporary_folder {
public:
    explicit temporary_folder(std::string const& name, std::string const& user = {}) : path_("/tmp/weft-" + name + "-XXXXXX") {
        if (!::mkdtemp(path_.data())) throw std::runtime_error("no temporary folder: " + std::string(std::strerror(errno)));
        auto [uid, gid] = user_ids(user);
        if (uid != static_cast<uid_t>(-1) && ::chown(path_.c_str(), uid, gid) != 0) throw std::runtime_error("chown of " + path_);
    }
    temporary_folder(temporary_folder const&) = delete;
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string const& path() const noexcept { return path_; }
    std::string operator/(std::string const& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// A TCP port of loopback that was free a moment ago: whoever uses it must be ready to try another one.
inline std::uint16_t free_port() {
    int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    bool good = ::bind(s, reinterpret_cast<sockaddr*>(&a), n) == 0 && ::getsockname(s, reinterpret_cast<sockaddr*>(&a), &n) == 0;
    ::close(s);
    if (!good) throw std::runtime_error("no free port");
    return ntohs(a.sin_port);
}

/// Whether somebody listens on a Unix socket.
inline bool can_connect(std::string const& path) {
    int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    path.copy(a.sun_path, sizeof a.sun_path - 1);
    bool good = ::connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
    ::close(s);
    return good;
}

inline std::string text_of(std::string const& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct server_options {
    std::string user{};                      ///< where the test is root, for servers that refuse to be
    std::string log{};                       ///< file for what it prints; empty: the test's own stdout and stderr
    int stop_signal{SIGTERM};
    std::chrono::seconds stop_limit{20};     ///< then KILL
};

/// A process that the test started. Throws, with the end of its log, if it is not there when it should be.
class server {
public:
    server(std::vector<std::string> command, server_options options) : options_(std::move(options)) {
        std::vector<char*> argv;
        for (auto& word : command) argv.push_back(word.data());
        argv.push_back(nullptr);
        name_ = command.at(0);
        auto [uid, gid] = user_ids(options_.user);
        pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ < 0) throw std::runtime_error("fork: " + std::string(std::strerror(errno)));
        if (pid_ == 0) become(argv, uid, gid, parent);
    }
    server(server const&) = delete;
    ~server() { stop(); }

    int pid() const noexcept { return pid_; }
    void signal(int number) { if (running()) ::kill(pid_, number); }

    /// Whether it runs still; reaps it if not.
    bool running() {
        if (pid_ > 0 && !status_) {
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        }
        return pid_ > 0 && !status_;
    }
    /// Waits until it has ended; the exit code, or 128 and the signal.
    int wait(std::chrono::seconds limit = std::chrono::seconds(60)) {
        if (!until(limit, [&] { return !running(); })) throw std::runtime_error(name_ + " has not ended\n" + log());
        return WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
    }
    template <class F>
    void wait_ready(F&& ready, std::chrono::seconds limit = std::chrono::seconds(60)) {
        bool good = until(limit, [&] { return !running() || ready(); });
        if (!good || !running()) throw std::runtime_error(name_ + (good ? " has ended\n" : " is not ready\n") + log());
    }
    void stop() {
        if (!running()) return;
        ::kill(pid_, options_.stop_signal);
        if (!until(options_.stop_limit, [&] { return !running(); })) {
            ::kill(pid_, SIGKILL);
            until(std::chrono::seconds(10), [&] { return !running(); });
        }
    }
    std::string log() const {
        std::string text = options_.log.empty() ? "" : text_of(options_.log);
        return text.size() > 4000 ? text.substr(text.size() - 4000) : text;
    }

private:
    template <class F>
    static bool until(std::chrono::seconds limit, F&& f) {
        for (auto end = std::chrono::steady_clock::now() + limit; !f();) {
            if (std::chrono::steady_clock::now() > end) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return true;
    }
    /// In the child. The death signal comes after the change of user, which clears it.
    [[noreturn]] void become(std::vector<char*>& argv, uid_t uid, gid_t gid, pid_t parent) {
        if (!options_.log.empty()) {
            int out = ::open(options_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
            ::dup2(out, 1);
            ::dup2(out, 2);
        }
        ::close_range(3, ~0u, 0);
        if (uid != static_cast<uid_t>(-1) && (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)) ::_exit(126);
        ::prctl(PR_SET_PDEATHSIG, options_.stop_signal);
        if (::getppid() != parent) ::_exit(125);
        if (::chdir("/") != 0) ::_exit(124);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }

    server_options options_;
    std::string name_;
    pid_t pid_{-1};
    std::optional<int> status_;
};

/// Runs a program to its end; throws, with what it printed, if it does not succeed.
inline void run_program(std::vector<std::string> command, server_options options) {
    server s(command, options);
    if (int code = s.wait(); code != 0) throw std::runtime_error(command[0] + " ended with " + std::to_string(code) + "\n" + s.log());
}

/// PostgreSQL with an empty cluster of its own; user and database "postgres", no password.
class postgres_server {
public:
    postgres_server() : folder_("pg", user) {
        run_program({binary("initdb"), "-D", folder_ / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}, options());
        start();
    }
    /// Again, on the same data.
    void start() {
        for (int attempt = 1;; ++attempt) {
            port_ = free_port();
            server_.emplace(std::vector<std::string>{binary("postgres"), "-D", folder_ / "data", "-k", folder_.path(), "-p", std::to_string(port_),
                "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB",
                "-c", "max_connections=50", "-c", "jit=off"}, options());
            try {
                server_->wait_ready([&] { return can_connect(folder_ / (".s.PGSQL." + std::to_string(port_))) && accepts(); });
                return;
            } catch (std::runtime_error const&) {  // the port was taken meanwhile
                if (attempt == 3) throw;
            }
        }
    }
    void stop() { server_->stop(); }

    /// For libpq: through the Unix socket, or by TCP on loopback.
    std::string conninfo() const { return "host=" + folder_.path() + " port=" + std::to_string(port_) + " user=postgres dbname=postgres"; }
    std::string tcp_conninfo() const { return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=postgres"; }
    std::uint16_t port() const noexcept { return port_; }
    temporary_folder const& folder() const noexcept { return folder_; }

private:
    static constexpr char user[] = "postgres";
    // QUIT is PostgreSQL's immediate shutdown: nobody needs the data any more.
    server_options options() const { return {.user = user, .log = folder_ / "log", .stop_signal = SIGQUIT}; }
    bool accepts() const { return text_of(folder_ / "data/postmaster.pid").find("ready") != std::string::npos; }
    static std::string binary(std::string const& name) {
        std::string newest;
        int version = 0;
        std::error_code none;
        for (auto const& e : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
            int v = std::atoi(e.path().filename().c_str());
            if (v > version && std::filesystem::exists(e.path() / "bin" / name)) { version = v; newest = (e.path() / "bin" / name).string(); }
        }
        if (newest.empty()) throw std::runtime_error("there is no " + name + " in /usr/lib/postgresql: install postgresql");
        return newest;
    }

    temporary_folder folder_;
    std::uint16_t port_{};
    std::optional<server> server_;
};

/// Redis without persistence, on a Unix socket and a loopback port.
class redis_server {
public:
    explicit redis_server(std::vector<std::string> more = {}) : folder_("redis"), more_(std::move(more)) { start(free_port()); }
    /// Again, on the same port and socket.
    void start() { start(port_); }
    void stop() { server_->stop(); }
    void kill() { server_->signal(SIGKILL); server_->wait(); }
    std::string socket() const { return folder_ / "s"; }
    std::uint16_t port() const noexcept { return port_; }

private:
    void start(std::uint16_t port) {
        for (int attempt = 1;; ++attempt, port = free_port()) {
            port_ = port;
            std::vector<std::string> command{"redis-server", "--bind", "127.0.0.1", "--port", std::to_string(port_), "--unixsocket", socket(),
                                             "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", folder_.path()};
            command.insert(command.end(), more_.begin(), more_.end());
            server_.emplace(std::move(command), server_options{.log = folder_ / "log"});
            try {
                server_->wait_ready([&] { return can_connect(socket()); });
                return;
            } catch (std::runtime_error const&) {
                if (attempt == 3) throw;
            }
        }
    }

    temporary_folder folder_;
    std::vector<std::string> more_;
    std::uint16_t port_{};
    std::optional<server> server_;
};

}  // namespace weft_test

#endif
