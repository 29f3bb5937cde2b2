// SPDX-License-Identifier: BSL-1.0
#include "contest.hpp"

#include "bench.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

/// A child process with its standard output in a pipe; ended with it.
class child {
public:
    child(std::vector<std::string> const& command, int inherited = -1, char const* stderr_to = nullptr) {
        int out[2];
        if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            stay_on_processor(0);
            ::dup2(out[1], 1);
            if (stderr_to) ::dup2(::open(stderr_to, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
            if (inherited >= 0) ::setenv("WEFT_BENCH_COUNTER", std::to_string(::dup(inherited)).c_str(), 1);
            std::vector<char*> argv;
            for (auto const& a : command) argv.push_back(const_cast<char*>(a.c_str()));
            argv.push_back(nullptr);
            ::execvp(argv[0], argv.data());
            std::perror(argv[0]);
            ::_exit(127);
        }
        ::close(out[1]);
        out_ = out[0];
    }
    child(child const&) = delete;
    ~child() { end(SIGTERM); }
    void end(int signal) {
        if (process_ <= 0) return;
        ::kill(process_, signal);
        ::waitpid(process_, nullptr, 0);
        ::close(out_);
        process_ = 0;
    }
    pid_t id() const { return process_; }
    int read_port() {
        std::string line;
        for (char c; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
        int port = std::atoi(line.c_str());
        if (port <= 0) throw std::runtime_error("a server did not say its port");
        return port;
    }
    double cpu_us() const {
        clockid_t clock;
        timespec t{};
        if (::clock_getcpuclockid(process_, &clock) != 0 || ::clock_gettime(clock, &t) != 0) throw std::runtime_error("no processor clock of the server");
        return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
    }

private:
    pid_t process_{};
    int out_{-1};
};

/// The page in which a server counts its allocations.
struct counter {
    int fd{::memfd_create("allocations", MFD_CLOEXEC)};
    long* page{};
    counter() {
        if (::ftruncate(fd, 4096) != 0) throw std::runtime_error("memfd");
        page = static_cast<long*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    }
    ~counter() { ::munmap(page, 4096); ::close(fd); }
};

bool there(char const* program) { return std::system(("command -v " + std::string(program) + " >/dev/null 2>&1").c_str()) == 0; }

/// A server under load, kept for the whole contest: in short turns, so that what else the machine does falls on all alike.
class runner {
public:
    runner(contender const& c, exchange const& what, std::size_t connections) : server_(c.command, allocations_.fd), load_(server_.read_port(), connections, what) {
        std::size_t const probe = 2'000 + connections;
        double took = ns_per(1, [&] { load_.run(probe); }) / 1e9;
        a_turn_ = static_cast<std::size_t>(std::max(1'000.0, static_cast<double>(probe) * turn_seconds / took));
    }
    /// Of one turn.
    double cpu_us_a_message() {
        double cpu = server_.cpu_us();
        long before = *allocations_.page;
        load_.run(a_turn_);
        made_ += *allocations_.page - before;
        messages_ += a_turn_;
        return (server_.cpu_us() - cpu) / static_cast<double>(a_turn_);
    }
    /// Of all turns.
    double allocations_a_message() const { return static_cast<double>(made_) / static_cast<double>(messages_); }
    static constexpr double turn_seconds = 0.05;

private:
    counter allocations_;
    child server_;
    load load_;
    std::size_t a_turn_{};
    std::size_t messages_{};
    long made_{};
};

/// "recvmsg 1.00  sendmsg 1.00  …", most frequent first, and their sum.
struct calls { double sum{}; std::string text; };

calls system_calls(contender const& c, exchange const& what, std::size_t connections) {
    char name[] = "/tmp/weft-bench-XXXXXX";
    ::close(::mkstemp(name));
    std::size_t const messages = 20'000;
    {
        child server(c.command);
        load l(server.read_port(), connections, what);
        child strace({"strace", "-c", "-f", "-q", "-o", name, "-p", std::to_string(server.id())}, -1, "/dev/null");
        for (;;) {  // until every thread is traced
            std::ifstream status("/proc/" + std::to_string(server.id()) + "/status");
            std::string line;
            while (std::getline(status, line) && line.rfind("TracerPid:", 0) != 0) {}
            if (std::atoi(line.c_str() + 10) != 0) break;
            ::usleep(1'000);
        }
        ::usleep(100'000);
        l.run(messages);
        strace.end(SIGINT);
    }
    calls r;
    std::ifstream f(name);
    for (std::string line; std::getline(f, line);) {  // % time, seconds, usecs/call, calls, [errors,] syscall
        std::istringstream in(line);
        double percent, secs, each;
        long n;
        std::string last, word;
        if (!(in >> percent >> secs >> each >> n)) continue;
        while (in >> word) last = word;
        double a_message = static_cast<double>(n) / static_cast<double>(messages);
        if (last == "total") continue;
        r.sum += a_message;
        char text[64];
        std::snprintf(text, sizeof text, " %s %.2f", last.c_str(), a_message);
        if (a_message >= 0.005) r.text += text;
    }
    ::unlink(name);
    return r;
}

double collected(contender const& c, exchange const& what, std::size_t connections, std::size_t messages) {
    char name[] = "/tmp/weft-bench-XXXXXX";
    ::close(::mkstemp(name));
    {
        std::vector<std::string> command{"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"};
        command.insert(command.end(), c.command.begin(), c.command.end());
        child server(command, -1, name);
        load l(server.read_port(), connections, what);
        l.run(messages);
    }
    std::ifstream f(name);
    double r = 0;
    for (std::string line; std::getline(f, line);) {
        if (std::size_t at = line.find("Collected :"); at != std::string::npos) r = std::atof(line.c_str() + at + 11);
    }
    ::unlink(name);
    if (r == 0) throw std::runtime_error("valgrind did not say what it collected");
    return r;
}

// The difference of two runs: what starting, connecting and warming up cost is in both.
double instructions(contender const& c, exchange const& what, std::size_t connections) {
    std::size_t const n = std::max<std::size_t>(4'000, 16 * connections);
    return (collected(c, what, connections, 2 * n) - collected(c, what, connections, n)) / static_cast<double>(n);
}

void contest(std::vector<contender> const& all, exchange const& what, contest_options const& o, std::size_t connections) {
    std::vector<std::vector<double>> cpu(all.size());
    std::vector<std::unique_ptr<runner>> runners;
    for (contender const& c : all) runners.push_back(std::make_unique<runner>(c, what, connections));
    int const turns = std::max(1, static_cast<int>(o.rounds * o.seconds / runner::turn_seconds));
    for (int turn = 0; turn < turns; ++turn) {
        for (std::size_t k = 0; k < all.size(); ++k) {
            std::size_t i = turn % 2 ? all.size() - 1 - k : k;  // to and fro: nobody always follows the same one
            cpu[i].push_back(runners[i]->cpu_us_a_message());
        }
    }
    std::size_t base = 0;
    for (std::size_t i = 0; i < all.size(); ++i) if (all[i].name == "callbacks") base = i;
    std::printf("%zu connection%s\n%-28s %8s %7s %7s %7s %8s  %s\n", connections, connections == 1 ? "" : "s", "", "CPU µs", "ratio", "allocs", "instr", "syscalls", "of which");
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::vector<double> ratios;  // of the same turn: the machine's mood is in both
        for (std::size_t r = 0; r < cpu[i].size(); ++r) ratios.push_back(cpu[i][r] / cpu[base][r]);
        std::printf("%-28s %8.2f %7.2f ", all[i].name.c_str(), median(cpu[i]), median(ratios));
        if (all[i].ours) std::printf("%7.3f ", runners[i]->allocations_a_message());
        else std::printf("%7s ", "–");
        if (o.count && all[i].ours && there("valgrind")) std::printf("%7.0f ", instructions(all[i], what, connections));
        else std::printf("%7s ", "–");
        if (o.count && there("strace")) {
            calls k = system_calls(all[i], what, connections);
            std::printf("%8.3f %s", k.sum, k.text.c_str());
        }
        std::printf("\n");
        std::fflush(stdout);
    }
}

}  // namespace

void announce(int port) {
    std::printf("%d\n", port);
    std::fflush(stdout);
}

contest_options parse(int argc, char** argv, std::vector<contender>& all) {
    contest_options o;
    for (int i = 1; i < argc; ++i) {
        std::string a = argv[i];
        bool more = i + 1 < argc;
        if (a == "--no-counts") o.count = false;
        else if (a == "--seconds" && more) o.seconds = std::atof(argv[++i]);
        else if (a == "--only" && more) o.only = argv[++i];
        else if (a == "--connections" && more) o.connections = {std::strtoul(argv[++i], nullptr, 10)};
        else if (std::size_t at = a.find('='); at != std::string::npos) all.push_back({a.substr(0, at), {a.substr(at + 1)}, false});
        else o.rounds = std::atoi(argv[i]);
    }
    if (!o.only.empty()) std::erase_if(all, [&](contender const& c) { return c.name != "callbacks" && c.name.find(o.only) == std::string::npos; });
    return o;
}

int contest_main(int argc, char** argv, std::vector<server> const& servers, exchange const& what) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 3 && std::strcmp(argv[1], "serve") == 0) {
        for (server const& s : servers) if (std::strcmp(s.name, argv[2]) == 0) { s.serve(); return 0; }
        std::fprintf(stderr, "no server \"%s\"\n", argv[2]);
        return 2;
    }
    std::vector<contender> all;
    for (server const& s : servers) all.push_back({s.name, {"/proc/self/exe", "serve", s.name}, true});
    char self[4096]{};
    if (::readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
    for (contender& c : all) c.command[0] = self;
    try {
        contest_options o = parse(argc, argv, all);
        for (std::size_t n : o.connections) contest(all, what, o, n);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
    return 0;
}
