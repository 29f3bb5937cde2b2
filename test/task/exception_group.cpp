// SPDX-License-Identifier: BSL-1.0
// Groups of errors: their text, and how they are taken apart.
#include "fixture.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace weft_test;

namespace {

struct plain { int value; };

template <class E>
std::exception_ptr error(E e) { return std::make_exception_ptr(std::move(e)); }
std::exception_ptr logic(char const* text) { return error(std::logic_error(text)); }
std::exception_ptr runtime(char const* text) { return error(std::runtime_error(text)); }

std::string text(std::exception_ptr const& e) {
    try { std::rethrow_exception(e); } catch (std::exception const& x) { return x.what(); } catch (...) { return "?"; }
}
std::vector<std::string> leaves(weft::exception_group const& g) {
    std::vector<std::string> out;
    g.for_each_leaf([&](std::exception_ptr const& e) { out.push_back(text(e)); });
    return out;
}
using strings = std::vector<std::string>;

/// top [ logic a, mid [ runtime b, low [ logic c ] ], runtime d ]
weft::exception_group sample() {
    weft::exception_group low("low", {logic("c")});
    weft::exception_group mid("mid", {runtime("b"), error(low)});
    return weft::exception_group("top", {logic("a"), error(mid), runtime("d")});
}

weft::exception_group as_group(std::exception_ptr const& e) {
    try { std::rethrow_exception(e); } catch (weft::exception_group const& g) { return g; }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(exception_group)

BOOST_AUTO_TEST_CASE(what_is_a_tree_of_types_and_texts) {
    BOOST_TEST(std::string(sample().what()) ==
               "top (3 errors)\n"
               "├─ std::logic_error: a\n"
               "├─ mid\n"
               "│  ├─ std::runtime_error: b\n"
               "│  └─ low\n"
               "│     └─ std::logic_error: c\n"
               "└─ std::runtime_error: d");
    BOOST_TEST(sample().message() == "top");
    BOOST_TEST(std::string(weft::exception_group("one", {logic("x")}).what()) == "one (1 error)\n└─ std::logic_error: x");
}

BOOST_AUTO_TEST_CASE(further_lines_of_an_errors_text_stay_inside_the_tree) {
    weft::exception_group g("g", {logic("first\nsecond"), logic("third\nfourth\n")});
    BOOST_TEST(std::string(g.what()) ==
               "g (2 errors)\n"
               "├─ std::logic_error: first\n"
               "│  second\n"
               "└─ std::logic_error: third\n"
               "   fourth");
}

// rule 57
BOOST_AUTO_TEST_CASE(an_error_that_is_no_std_exception_is_shown_by_its_type) {
    weft::exception_group g("g", {error(42), error(plain{1})});
    std::string w = g.what();
    BOOST_TEST(w.find("├─ int\n") != std::string::npos);
    BOOST_TEST(w.find("plain") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(leaves_are_counted_and_visited_depth_first) {
    auto g = sample();
    BOOST_TEST(g.leaf_count() == 4u);
    BOOST_TEST(g.exceptions().size() == 3u);
    BOOST_TEST((leaves(g) == strings{"a", "b", "c", "d"}));
}

BOOST_AUTO_TEST_CASE(contains_looks_at_every_depth_and_as_a_catch_would) {
    auto g = sample();
    BOOST_TEST(g.contains<std::logic_error>());
    BOOST_TEST(g.contains<std::runtime_error>());
    BOOST_TEST(g.contains<std::exception>());          // a base
    BOOST_TEST(!g.contains<std::system_error>());      // a derived class of one that is there
    BOOST_TEST(!g.contains<weft::exception_group>());  // groups are no leaves
    BOOST_TEST(weft::exception_group("g", {error(plain{1})}).contains<plain>());
}

// rule 44
BOOST_AUTO_TEST_CASE(split_keeps_the_shape_on_both_sides) {
    auto [mine, rest] = sample().split<std::logic_error>();
    BOOST_REQUIRE(mine);
    BOOST_REQUIRE(rest);
    BOOST_TEST((leaves(*mine) == strings{"a", "c"}));
    BOOST_TEST((leaves(*rest) == strings{"b", "d"}));
    BOOST_TEST(mine->message() == "top");
    BOOST_TEST(rest->message() == "top");
    BOOST_REQUIRE(mine->exceptions().size() == 2u);
    auto mid = as_group(mine->exceptions()[1]);
    BOOST_TEST(mid.message() == "mid");
    BOOST_TEST(as_group(mid.exceptions()[0]).message() == "low");
    auto rest_mid = as_group(rest->exceptions()[0]);
    BOOST_TEST(rest_mid.message() == "mid");
    BOOST_TEST(rest_mid.exceptions().size() == 1u);
}

BOOST_AUTO_TEST_CASE(split_gives_nothing_for_an_empty_side) {
    auto g = sample();
    auto [all, none] = g.split<std::exception>();
    BOOST_REQUIRE(all);
    BOOST_TEST(!none);
    BOOST_TEST(std::string(all->what()) == g.what());
    auto [nothing, everything] = g.split<plain>();
    BOOST_TEST(!nothing);
    BOOST_REQUIRE(everything);
    BOOST_TEST(everything->leaf_count() == 4u);
}

BOOST_AUTO_TEST_CASE(split_if_asks_for_each_leaf_and_shares_the_errors) {
    auto g = sample();
    int asked = 0;
    auto [mine, rest] = g.split_if([&](std::exception_ptr const& e) { ++asked; return text(e) == "a"; });
    BOOST_TEST(asked == 4);
    BOOST_REQUIRE(mine);
    BOOST_TEST(mine->leaf_count() == 1u);
    BOOST_TEST((mine->exceptions()[0] == g.exceptions()[0]));  // the same object
    BOOST_TEST((rest && rest->leaf_count() == 3u));
}

BOOST_AUTO_TEST_CASE(handle_gives_each_match_and_rethrows_a_group_of_the_rest) {
    strings seen;
    try {
        sample().handle<std::logic_error>([&](std::logic_error const& e) { seen.push_back(e.what()); });
        BOOST_ERROR("the rest was not rethrown");
    } catch (weft::exception_group const& rest) { BOOST_TEST((leaves(rest) == strings{"b", "d"})); }
    BOOST_TEST((seen == strings{"a", "c"}));
}

BOOST_AUTO_TEST_CASE(handle_returns_if_nothing_is_left) {
    int seen = 0;
    BOOST_CHECK_NO_THROW(sample().handle<std::exception>([&](std::exception const&) { ++seen; }));
    BOOST_TEST(seen == 4);
}

BOOST_AUTO_TEST_CASE(handle_without_a_match_rethrows_the_whole_group) {
    auto g = sample();
    int seen = 0;
    try { g.handle<plain>([&](plain const&) { ++seen; }); BOOST_ERROR("nothing was thrown"); }
    catch (weft::exception_group const& rest) { BOOST_TEST(std::string(rest.what()) == g.what()); }
    BOOST_TEST(seen == 0);
}

BOOST_AUTO_TEST_CASE(what_a_handler_throws_replaces_the_group) {
    BOOST_CHECK_THROW(sample().handle<std::logic_error>([](std::logic_error const&) { throw plain{3}; }), plain);
}

BOOST_AUTO_TEST_CASE(a_copy_shares_the_errors_and_outlives_the_original) {
    std::optional<weft::exception_group> g(sample());
    weft::exception_group copy = *g;
    BOOST_TEST(&copy.exceptions() == &g->exceptions());
    g.reset();
    BOOST_TEST(copy.leaf_count() == 4u);
    try { throw copy; } catch (std::exception const& e) { BOOST_TEST(std::string(e.what()) == copy.what()); }
}

BOOST_AUTO_TEST_CASE(a_deep_group_is_walked) {
    weft::exception_group g("g", {logic("bottom")});
    for (int i = 0; i < 200; ++i) g = weft::exception_group("g", {error(g)});
    BOOST_TEST(g.leaf_count() == 1u);
    BOOST_TEST(g.contains<std::logic_error>());
    BOOST_TEST((leaves(g) == strings{"bottom"}));
}

BOOST_AUTO_TEST_CASE(a_group_of_nothing_or_of_null_is_a_misuse) {
    BOOST_CHECK_THROW(weft::exception_group("g", {}), weft::misuse_error);
    BOOST_CHECK_THROW(weft::exception_group("g", {logic("a"), nullptr}), weft::misuse_error);
}

// rule 44: the tree that a nursery makes names the nursery
BOOST_AUTO_TEST_CASE(a_nurserys_group_names_the_nursery_and_each_error) {
    run_checked([] {
        weft::nursery_options o;
        o.name = "workers";
        try {
            weft::with_nursery(o, [](weft::nursery& n) { n.start_soon([] { throw std::runtime_error("broken"); }); });
            BOOST_ERROR("nothing was thrown");
        } catch (weft::exception_group const& g) {
            std::string w = g.what();
            BOOST_TEST(w.find("workers") != std::string::npos);
            BOOST_TEST(w.find("exception_group.cpp:") != std::string::npos);
            BOOST_TEST(w.find("└─ std::runtime_error: broken") != std::string::npos);
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
