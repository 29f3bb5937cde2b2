// SPDX-License-Identifier: BSL-1.0
// What the benches share.
#ifndef WEFT_TEST_BENCH_HPP
#define WEFT_TEST_BENCH_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

using clock_type = std::chrono::steady_clock;

/// Nanoseconds of f for each of the n things that it does.
inline double ns_per(std::size_t n, std::function<void()> const& f) {
    auto t = clock_type::now();
    f();
    return std::chrono::duration<double, std::nano>(clock_type::now() - t).count() / static_cast<double>(n);
}

inline double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
}

#endif
