// SPDX-License-Identifier: BSL-1.0
// proxy: a TCP proxy before several backends. Half-closed connections and resets pass through as what they are; SIGTERM drains.
#include "options.hpp"
#include "proxy.hpp"

#include <weft/weft.hpp>

#include <csignal>
#include <exception>
#include <iostream>

int main(int argc, char** argv) {
    try {
        proxy::options o = proxy::parse(argc, argv);
        std::signal(SIGPIPE, SIG_IGN);  // a reader of its output that goes away shall not end the connections
        weft::run([&] { proxy::serve(o); });
        return 0;
    } catch (proxy::usage_error const& e) {
        std::cerr << "proxy: " << e.what() << '\n' << proxy::usage;
        return 2;
    } catch (std::exception const& e) {
        std::cerr << "proxy: " << e.what() << '\n';
        return 1;
    }
}
