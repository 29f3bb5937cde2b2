// SPDX-License-Identifier: BSL-1.0
#ifndef CRAWLER_OPTIONS_HPP
#define CRAWLER_OPTIONS_HPP

#include "url.hpp"

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace crawler {

using seconds = std::chrono::duration<double>;

struct options {
    url start;
    std::vector<std::string> allowed;  ///< further sites: "host", "host:port"
    std::size_t max_pages{1000};
    unsigned max_depth{20};            ///< links from the start
    unsigned max_redirects{10};        ///< one after the other
    std::size_t per_host{4};           ///< requests at once to one site
    std::size_t parallel{32};          ///< requests at once to all
    seconds delay{0};                  ///< between the starts of two requests to one site
    seconds timeout{10};               ///< for one request, from the connection to the last byte
    unsigned retries{2};
    seconds back_off{0.5};             ///< before the first retry; twice as long before each further one
    std::size_t max_body{1024 * 1024}; ///< bytes of a page that are read
    bool json{};
};

extern char const usage[];

struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throws usage_error, which names the argument.
options parse(int argc, char** argv);

}  // namespace crawler

#endif
