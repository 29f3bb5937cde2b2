// SPDX-License-Identifier: BSL-1.0
// What terminates the program, each in a process of its own. Included twice, see clauses.hpp.

BOOST_AUTO_TEST_SUITE(children, * boost::unit_test::disabled())
BOOST_AUTO_TEST_CASE(scenario) {
    auto raise = [] { throw 5; };
    as_child({
        {"joinable destroyed", [] { everywhere([] { lib::thread t([] {}); }); }},
        {"joinable assigned to", [] { everywhere([] { lib::thread t([] {}); t = lib::thread(); }); }},
        {"joinable unwound", [] { everywhere([] { try { lib::thread t([] {}); throw 5; } catch (int) {} }); }},
        {"thread threw", [&] { lib::thread(raise).join(); }},
        {"thread of a run threw", [] { everywhere([] { lib::thread([] { throw 5; }).join(); }); }},
        {"jthread threw", [&] { lib::jthread t(raise); t.join(); }},
        {"stop callback threw", [&] { lib::stop_source s; lib::stop_callback c(s.get_token(), raise); s.request_stop(); }},
        {"late stop callback threw", [&] { lib::stop_source s; s.request_stop(); lib::stop_callback c(s.get_token(), raise); }},
        {"in order", [] { everywhere([] { lib::thread t([] {}); t.join(); lib::jthread u([] {}); lib::thread v([] {}); v.detach(); t = lib::thread(); }); }},
    });
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(what_has_no_other_way_out_terminates) {
    for (std::string scenario : {"joinable destroyed", "joinable assigned to", "joinable unwound", "thread threw", "thread of a run threw", "jthread threw", "stop callback threw", "late stop callback threw"}) {
        outcome o = run_child(std::string(suite_name) + "/children", scenario);
        BOOST_TEST(o.signal == SIGABRT, scenario << ": " << o.text);
    }
    outcome o = run_child(std::string(suite_name) + "/children", "in order");
    BOOST_TEST(o.signal == 0, o.text);
    BOOST_TEST(o.code == 0, o.text);
}
