// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/explore.hpp>

#include <weft/testing/mock_clock.hpp>
#include <weft/testing/virtual_driver.hpp>

#include "core/kernel.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>

namespace weft::testing {
namespace {

struct step { std::size_t taken, alternatives; };

/// Follows a given prefix, then takes first alternatives (exhaustive) or random ones (seeded), and records all.
class recording_oracle final : public oracle {
public:
    std::size_t choose(choice, std::size_t alternatives) noexcept override {
        std::size_t taken = 0;
        if (steps.size() < prefix.size()) taken = std::min(prefix[steps.size()], alternatives - 1);
        else if (random) taken = std::uniform_int_distribution<std::size_t>(0, alternatives - 1)(*random);
        steps.push_back({taken, alternatives});
        return taken;
    }
    std::vector<std::size_t> prefix;
    std::vector<step> steps;
    std::optional<std::mt19937_64> random;

    /// The next prefix in depth-first order; false if this was the last schedule.
    bool advance() {
        while (!steps.empty() && steps.back().taken + 1 == steps.back().alternatives) steps.pop_back();
        if (steps.empty()) return false;
        prefix.clear();
        for (step const& s : steps) prefix.push_back(s.taken);
        ++prefix.back();
        return true;
    }
    std::string schedule() const {
        std::string s;
        for (step const& x : steps) s += (s.empty() ? "" : ".") + std::to_string(x.taken);
        return s.empty() ? "0" : s;
    }
};

std::vector<std::size_t> parse(char const* text) {
    std::vector<std::size_t> v;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, '.');) v.push_back(std::strtoul(part.c_str(), nullptr, 10));
    return v;
}

void run_once(std::function<void()> const& f, explore_options const& options, recording_oracle& o, std::uint64_t seed) {
    mock_clock clock;
    run_options r = options.run;
    r.oracle = &o;
    r.clock = &clock;
    r.seed = seed;
    r.make_driver = make_virtual_driver;
    o.steps.clear();
    try {
        weft::run(r, f);
    } catch (...) {
        if (!options.quiet) std::fprintf(stderr, "replay with: WEFT_SEED=%llu WEFT_SCHEDULE=%s\n", static_cast<unsigned long long>(seed), o.schedule().c_str());
        throw;
    }
}

}  // namespace

explore_result explore(std::function<void()> const& f, explore_options options) {
    explore_result result;
    recording_oracle o;
    if (char const* schedule = std::getenv("WEFT_SCHEDULE")) {
        char const* seed = std::getenv("WEFT_SEED");
        o.prefix = parse(schedule);
        run_once(f, options, o, seed ? std::strtoull(seed, nullptr, 10) : options.seed);
        return {1, false};
    }
    if (options.how == explore_options::mode::seeded) {
        for (std::size_t i = 0; i < options.runs; ++i) {
            o.random.emplace(options.seed + i);
            run_once(f, options, o, options.seed + i);
            ++result.schedules;
        }
        return result;
    }
    do {
        run_once(f, options, o, options.seed);
        ++result.schedules;
        if (!o.advance()) { result.complete = true; break; }
    } while (result.schedules < options.max_schedules);
    return result;
}

std::size_t choose(std::size_t alternatives) {
    weft::detail::kernel* k = weft::detail::this_kernel;
    return k && k->chooser() && alternatives > 1 ? k->chooser()->choose(choice::user, alternatives) : 0;
}

}  // namespace weft::testing
