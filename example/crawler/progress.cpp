// SPDX-License-Identifier: BSL-1.0
#include "progress.hpp"

#include <algorithm>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

namespace crawler {
namespace {

using namespace std::chrono_literals;

std::size_t terminal_width() {
    winsize size{};  // asked each time: it may change
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
}

void write(std::string const& text) {
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

}  // namespace

std::string progress_line(crawl const& c, std::size_t width) {
    constexpr std::size_t bar = 24;
    std::size_t asked = std::max<std::size_t>(c.asked(), 1), full = bar * c.done() / asked;
    char numbers[120];
    std::snprintf(numbers, sizeof numbers, " %zu of %zu pages, %zu under way, %zu failed, %.1f MB", c.done(), c.asked(), c.in_flight(), c.failed(), static_cast<double>(c.bytes()) / 1e6);
    std::string line = '[' + std::string(full, '#') + std::string(bar - full, '.') + ']' + numbers;
    return line.substr(0, width);
}

void show_progress(crawl const& c) {
    bool terminal = ::isatty(STDERR_FILENO) == 1;
    struct eraser { bool on; ~eraser() { if (on) write("\r\033[K"); } } at_end{terminal};
    for (;;) {
        weft::this_task::sleep_for(terminal ? 100ms : 1000ms);
        if (terminal) write("\r" + progress_line(c, terminal_width()) + "\033[K");
        else write(progress_line(c, 200) + "\n");
    }
}

}  // namespace crawler
