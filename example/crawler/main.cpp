// SPDX-License-Identifier: BSL-1.0
// crawler: follows the links of a site and reports the broken ones, many pages at once and politely.
#include "crawl.hpp"
#include "progress.hpp"
#include "report.hpp"

#include <weft/net/signals.hpp>
#include <weft/weft.hpp>

#include <csignal>
#include <iostream>

namespace {

int crawl_and_report(crawler::options const& o) {
    auto began = weft::current_time();
    crawler::crawl c(o);
    bool interrupted = false;
    weft::with_signals({SIGINT, SIGTERM}, [&](weft::signal_receiver& signals) {
        weft::with_nursery({.name = "crawler"}, [&](weft::nursery& n) {
            n.start_service("signals", [&] {
                signals.receive();
                interrupted = true;
                n.cancel("Ctrl-C");
            });
            n.start_service("progress", [&] { crawler::show_progress(c); });
            c.run();
        });
    });
    crawler::report r(c, weft::current_time() - began, interrupted);
    o.json ? r.print_json(std::cout) : r.print(std::cout);
    std::cout.flush();
    if (interrupted) return 128 + SIGINT;
    return r.broken.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        crawler::options o = crawler::parse(argc, argv);
        return weft::run([&] { return crawl_and_report(o); });
    } catch (crawler::usage_error const& e) {
        std::cerr << "crawler: " << e.what() << '\n' << crawler::usage;
        return 2;
    } catch (std::exception const& e) {
        std::cerr << "crawler: " << e.what() << '\n';
        return 2;
    }
}
