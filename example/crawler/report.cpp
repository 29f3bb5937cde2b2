// SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace crawler {
namespace {

constexpr unsigned most_redirects = 10;

std::string own_problem(page const& p) {
    if (p.state == page_state::failed) return p.error;
    if (p.state == page_state::done && p.status >= 400) return std::to_string(p.status) + (p.reason.empty() ? "" : " " + p.reason);
    if (p.state == page_state::done && p.status >= 300 && !p.malformed.empty()) return "redirects to what is no address";
    return {};
}

}  // namespace

std::string problem_of(page const& p, unsigned max_redirects) {
    std::set<page const*> passed{&p};
    page const* last = &p;
    while (last->redirect) {
        last = last->redirect;
        if (!passed.insert(last).second) return "redirects in a circle";
        if (passed.size() > max_redirects + 1) return "more than " + std::to_string(max_redirects) + " redirects";
    }
    std::string problem = own_problem(*last);
    return last == &p || problem.empty() ? problem : "redirects to " + last->address.text + ": " + problem;
}

report::report(crawl const& c, seconds time, bool early) : from(c), took(time), interrupted(early) {
    std::map<std::string, broken_link> all;
    auto add = [&](std::string const& address, std::string problem, std::string const* on) {
        auto& b = all[address];
        b.address = address;
        b.problem = std::move(problem);
        if (on) b.on.push_back(*on);
    };
    for (auto const& [text, p] : c.pages()) {
        answered += p->state == page_state::done;
        failed += p->state == page_state::failed;
        redirected += p->redirect != nullptr;
        forbidden += p->forbidden;
        outside += p->at == nullptr;
        not_asked += p->at && !p->forbidden && (p->state == page_state::found || p->state == page_state::under_way);
        if (p->truncated) truncated.push_back(text);
        for (page const* to : p->links) if (auto problem = problem_of(*to, most_redirects); !problem.empty()) add(to->address.text, problem, &text);
        if (!p->redirect && p->status < 300) for (auto const& m : p->malformed) add(m, "no address", &text);
        if (p.get() == c.start()) if (auto problem = problem_of(*p, most_redirects); !problem.empty()) add(text, problem, nullptr);
    }
    std::sort(truncated.begin(), truncated.end());
    for (auto& [address, b] : all) {
        std::sort(b.on.begin(), b.on.end());
        b.on.erase(std::unique(b.on.begin(), b.on.end()), b.on.end());
        broken.push_back(std::move(b));
    }
}

}  // namespace crawler
