// SPDX-License-Identifier: BSL-1.0
// threads: one program of threads, crowd.cpp, compiled twice, with std's threads and with weft's, and what becomes of each, side by side.
//
//     example/run threads [--threads N] [--patience MS]
//
// The first part starts N threads (10,000), or as many as the system lets it, has them all inside at once, and each makes three calls
// of 50 ms to a slow service. In the second, two threads each hold the lock that the other wants.
#include <weft/net/process.hpp>
#include <weft/weft.hpp>

#include <boost/asio/read.hpp>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

namespace {

using namespace std::chrono_literals;

struct settings {
    long threads = 10'000;
    std::chrono::milliseconds patience = 2s;  // with the one that says nothing
};

std::string program(char const* name) {
    return std::filesystem::read_symlink("/proc/self/exe").replace_filename(name);
}

struct figures {
    long at_once{}, answers{}, kernel_threads{}, resident_kb{};
    double seconds{};
};

figures run_crowd(char const* name, long threads) {
    figures f;
    std::istringstream out(weft::run_process({program(name), std::to_string(threads)}).out);
    if (!(out >> f.at_once >> f.answers >> f.kernel_threads >> f.resident_kb >> f.seconds)) throw std::runtime_error(std::string(name) + " printed no figures");
    return f;
}

void show_crowds(long threads) {
    figures s = run_crowd("crowd_std", threads), w = run_crowd("crowd_weft", threads);
    std::printf("%ld threads wanted, three calls of 50 ms each\n\n", threads);
    std::printf("  %-24s %14s %14s\n", "", "std::thread", "weft::thread");
    auto row = [](char const* what, long a, long b) { std::printf("  %-24s %14ld %14ld\n", what, a, b); };
    row("inside at once", s.at_once, w.at_once);
    row("answers", s.answers, w.answers);
    row("threads of the kernel", s.kernel_threads, w.kernel_threads);
    std::printf("  %-24s %11.1f MB %11.1f MB\n", "resident at most", double(s.resident_kb) / 1024, double(w.resident_kb) / 1024);
    std::printf("  %-24s %12.2f s %12.2f s\n\n", "time", s.seconds, w.seconds);
    std::printf("  The stacks that the kernel keeps for its own threads (16 KB each) are not in the resident figure.\n\n");
}

/// What it writes to stderr until it ends, or until the time is over, when it is killed.
void show_stuck(char const* name, char const* title, weft::duration patience) {
    weft::with_process({program(name)}, {.err = weft::process_stream::pipe, .grace = 0s}, [&](weft::process& p) {
        auto start = weft::current_time();
        std::string text;
        bool ended = weft::move_on_after(patience, [&] {
            boost::system::error_code ec;
            boost::asio::async_read(p.err(), boost::asio::dynamic_buffer(text), weft::use_fiber[ec]);
            p.wait();
        });
        std::printf("  %s: ", title);
        if (ended) {
            std::printf("ends by itself after %.2f s, and says\n\n", std::chrono::duration<double>(weft::current_time() - start).count());
            std::istringstream lines(text);
            for (std::string line; std::getline(lines, line);) if (!line.empty()) std::printf("    %s\n", line.c_str());
        } else {
            p.kill();
            std::printf("%s after %lld ms; it waits on, and is killed here\n\n", text.empty() ? "has said nothing" : text.c_str(),
                        static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count()));
        }
    });
}

bool parse(int argc, char** argv, settings& s) {
    for (int i = 1; i < argc; i += 2) {
        long n = 0;
        char const* end = i + 1 < argc ? argv[i + 1] + std::strlen(argv[i + 1]) : nullptr;
        if (!end || std::from_chars(argv[i + 1], end, n).ptr != end || n < 1) return false;
        if (!std::strcmp(argv[i], "--threads")) s.threads = n;
        else if (!std::strcmp(argv[i], "--patience")) s.patience = std::chrono::milliseconds(n);
        else return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    if (!parse(argc, argv, s)) {
        std::fputs("usage: threads [--threads N] [--patience MS]\n", stderr);
        return 2;
    }
    weft::run([&] {
        show_crowds(s.threads);
        std::printf("two threads, each holding the lock that the other wants\n\n");
        show_stuck("crowd_std", "std::thread", s.patience);
        show_stuck("crowd_weft", "weft::thread", 60s);
    });
}
