// SPDX-License-Identifier: BSL-1.0
#include "crawl.hpp"

#include "html.hpp"

#include <weft/net/connect.hpp>

#include <algorithm>
#include <unordered_set>

namespace crawler {
namespace {

/// No answer, for a reason that may pass.
struct no_answer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

bool may_pass(unsigned status) { return status == 429 || status >= 500; }
bool redirects(response const& r) { return r.status >= 300 && r.status < 400 && !r.location.empty(); }

}  // namespace

void crawl::run() {
    weft::with_nursery({.name = "pages"}, [&](weft::nursery& n) {
        nursery_ = &n;
        start_ = &page_of(options_.start);
        reach(*start_, 0, 0);
    });
}

page& crawl::page_of(url const& address) {
    auto& p = pages_[address.text];
    if (p) return *p;
    p = std::make_unique<page>();
    p->address = address;
    std::string name = address.site();
    auto const& more = options_.allowed;
    bool wanted = name == options_.start.site() || std::find(more.begin(), more.end(), name) != more.end() || std::find(more.begin(), more.end(), address.host) != more.end();
    if (wanted) {
        auto& s = sites_[name];
        if (!s) s = std::make_unique<site>(address, options_);
        p->at = s.get();
    }
    return *p;
}

void crawl::reach(page& first, unsigned first_depth, unsigned first_redirects) {
    struct way { page* to; unsigned depth, redirects; };
    std::vector<way> open{{&first, first_depth, first_redirects}};
    while (!open.empty()) {
        auto [p, depth, redirects] = open.back();
        open.pop_back();
        if (depth >= p->depth && redirects >= p->redirects) continue;
        p->depth = std::min(p->depth, depth);
        p->redirects = std::min(p->redirects, redirects);
        if (p->state == page_state::done) {
            for (page* next : p->links) open.push_back({next, p->depth + 1, 0});
            if (p->redirect) open.push_back({p->redirect, p->depth, p->redirects + 1});
        } else if (p->state == page_state::found && p->at && !p->forbidden && p->depth <= options_.max_depth && p->redirects <= options_.max_redirects) {
            if (asked_ == options_.max_pages) {
                limited_ = true;
                continue;
            }
            ++asked_;
            p->state = page_state::under_way;
            nursery_->start_soon(p->address.target, [this, p] { visit(*p); });
        }
    }
}

void crawl::visit(page& p) {
    site& s = *p.at;
    try {
        weft::call_once(s.rules_read, [&] { read_rules(s, p.address); });
        if (s.rules.allows(p.address.target)) {
            take(p, fetch(s, p.address));
        } else {
            p.forbidden = true;
            p.state = page_state::found;
        }
    } catch (no_answer const& e) {
        p.error = e.what();
        p.state = page_state::failed;
    }
    ++done_;
    failed_ += p.state == page_state::failed || p.status >= 400;
    if (p.state != page_state::done) return;
    // As it is now: a shorter way here may have been found meanwhile.
    for (page* next : p.links) reach(*next, p.depth + 1, 0);
    if (p.redirect) reach(*p.redirect, p.depth, p.redirects + 1);
}

void crawl::read_rules(site& s, url const& any) {
    try {
        url what = resolve(any, "/robots.txt").to;
        response r = fetch(s, what);
        for (unsigned n = 0; redirects(r) && n < 5; ++n) {
            link to = resolve(what, r.location);
            if (to.kind != link_kind::page || to.to.site() != s.name) return;
            r = fetch(s, what = to.to);
        }
        if (r.status >= 500) s.rules = robots::forbid_all();
        if (r.status == 200) s.rules = robots(r.body, user_agent);
        s.be_as_slow_as(s.rules.delay());
    } catch (no_answer const&) {
        // There is nobody to be polite to, as the pages themselves will show.
    }
}

response crawl::fetch(site& s, url const& what) {
    for (unsigned attempt = 0;; ++attempt) {
        bool last = attempt == options_.retries;
        try {
            response r = fetch_once(s, what);
            if (last || !may_pass(r.status)) return r;
        } catch (no_answer const&) {
            if (last) throw;
        }
        ++s.retries;
        // Jitter: what failed together shall not come back together.
        weft::this_task::sleep_for(options_.back_off * (1 << attempt) * std::uniform_real_distribution<>(0.5, 1.5)(random_));
    }
}

response crawl::fetch_once(site& s, url const& what) {
    connection_pool::place place(s.pool);
    s.wait_for_turn();
    weft::capacity_limiter::scoped among_all(places_);
    ++s.requests;
    auto began = weft::current_time();
    try {
        response r = weft::fail_after(options_.timeout, [&] { return get(place, what, options_.max_body); });
        s.answering += weft::current_time() - began;
        s.bytes += r.bytes;
        bytes_ += r.bytes;
        return r;
    } catch (weft::too_slow_error const&) {
        ++s.failures;
        throw no_answer("no answer in time");
    } catch (weft::connect_error const& e) {
        ++s.failures;
        throw no_answer(e.attempts().empty() ? "no address" : e.attempts().back().error.message());
    } catch (boost::system::system_error const& e) {
        ++s.failures;
        throw no_answer(e.code().message());
    }
}

void crawl::take(page& p, response const& r) {
    p.status = r.status;
    p.reason = r.reason;
    p.truncated = r.truncated;
    p.state = page_state::done;
    if (redirects(r)) {
        link to = resolve(p.address, r.location);
        if (to.kind == link_kind::page) p.redirect = &page_of(to.to);
        else if (to.kind == link_kind::malformed) p.malformed.push_back(r.location);
    } else if (r.status == 200 && r.html) {
        note_links(p, r.body);
    }
}

void crawl::note_links(page& p, std::string_view html) {
    references found = references_of(html);
    link base = resolve(p.address, found.base);
    std::unordered_set<page*> seen;
    for (auto const& reference : found.links) {
        link to = resolve(base.kind == link_kind::page ? base.to : p.address, reference);
        if (to.kind == link_kind::malformed) p.malformed.push_back(reference);
        if (to.kind != link_kind::page) continue;
        page& target = page_of(to.to);
        if (seen.insert(&target).second) p.links.push_back(&target);
    }
}

}  // namespace crawler
