// SPDX-License-Identifier: BSL-1.0
// The proxy as a process, between real servers and clients.
#include "nginx.hpp"
#include "proxy_client.hpp"

#include <algorithm>

using namespace weft_test;

namespace {

/// The most that a process ever had in memory, in KiB.
long most_memory(int pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;) {
        if (word != "VmHWM:") continue;
        long kib = 0;
        status >> kib;
        return kib;
    }
    return -1;
}

/// Lowers a process's limit of descriptors to so many more than it has.
void leave_descriptors(int pid, rlim_t more) {
    std::vector<rlim_t> used;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) used.push_back(std::stoul(entry.path().filename()));
    std::sort(used.begin(), used.end());
    rlim_t limit = used.size() + more;
    while (limit - static_cast<rlim_t>(std::lower_bound(used.begin(), used.end(), limit) - used.begin()) > more) --limit;
    rlimit now{limit, limit};
    BOOST_REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &now, nullptr) == 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(proxy_program)

BOOST_AUTO_TEST_CASE(curl_gets_a_file_from_nginx_through_it) {
    run_program_test([] {
        temporary_folder folder;
        std::string file = pattern(1, 3'000'000);
        folder.write("www/file", file);
        auto port = free_port();
        with_nginx(folder, port, "", [&] {
            with_proxy({port}, {}, [&](proxy_running& p) {
                auto curl = weft::run_process({"curl", "-sS", "--fail", "--noproxy", "*", "http://" + local(p.port) + "/file"});
                BOOST_TEST((curl.out == file));
                std::string end = p.stop();
                BOOST_TEST(contains(end, "connections  1 accepted, 0 open, 1 at most"), end);
                BOOST_TEST(contains(end, "ended        1 in order, 0 by a reset"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(socat_ends_its_sending_and_then_reads_the_answer) {
    run_program_test([] {
        with_server(count_bytes, [](std::uint16_t port) {
            with_proxy({port}, {}, [](proxy_running& p) {
                auto socat = weft::run_process({"socat", "-t60", "-", "TCP:" + local(p.port)}, {.input = pattern(2, 1'000'000)});
                BOOST_TEST(socat.out == "1000000 bytes, ended");
                std::string end = p.stop();
                BOOST_TEST(contains(end, "bytes        1000000 to the backends, 20 to the clients"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(many_connections_at_once_get_every_byte_in_both_directions) {
    run_program_test([] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        auto count = static_cast<unsigned>(std::min<rlim_t>(500, (limit.rlim_cur - 50) / 2));
        with_server(turn_round, [&](std::uint16_t port) {
            with_proxy({port, port}, {}, [&](proxy_running& p) {
                unsigned right = 0;
                weft::barrier all_connected(static_cast<std::ptrdiff_t>(count));
                weft::with_nursery([&](weft::nursery& n) {
                    for (unsigned i = 0; i < count; ++i) n.start_soon("client", [&, i] {
                        auto socket = p.connect();
                        send(socket, "?");  // connected is who has had an answer: the kernel alone makes connections, too
                        receive(socket, 1);
                        all_connected.arrive_and_wait();
                        std::string sent = pattern(i, 1 + i * 977 % 30'000), got;
                        weft::with_nursery([&](weft::nursery& both) {
                            both.start_soon("send", [&] { send(socket, sent); end_sending(socket); });
                            got = receive_all(socket).first;
                        });
                        for (char& c : got) c = static_cast<char>(~c);
                        right += got == sent;
                    });
                });
                BOOST_TEST(right == count);
                std::string end = p.stop(), n = std::to_string(count);
                BOOST_TEST(contains(end, "connections  " + n + " accepted, 0 open, " + n + " at most"), end);
                BOOST_TEST(contains(end, "ended        " + n + " in order, 0 by a reset, 0 idle, 0 cut, 0 without a backend, 0 failed"), end);
                BOOST_TEST(contains(end, "  " + std::to_string(count / 2) + " connections, 0 failures"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_reset_is_passed_on_as_a_reset_behind_what_came_before_it) {
    run_program_test([] {
        error_code at_server;
        weft::event server_done;
        auto talk = [&](tcp::socket s) {
            if (receive(s, 1) == "s") {  // this side resets, once its bytes have left it: they would be lost with any peer
                send(s, "before");
                receive(s, 1);
                reset(s);
            } else {
                at_server = ending(s);
                server_done.set();
            }
        };
        with_server(talk, [&](std::uint16_t port) {
            with_proxy({port}, {}, [&](proxy_running& p) {
                auto socket = p.connect();
                send(socket, "s");
                BOOST_TEST(receive(socket, 6) == "before");
                send(socket, "x");
                BOOST_TEST(ending(socket) == asio::error::connection_reset);
                socket = p.connect();
                send(socket, "c");
                wait_until([&] { return contains(p.accounts(), "2 to the backends") || contains(p.accounts(), "3 to the backends"); });
                reset(socket);
                weft::fail_after(in_the_end, [&] { server_done.wait(); });
                BOOST_TEST(at_server == asio::error::connection_reset);
                std::string end = p.stop();
                BOOST_TEST(contains(end, "ended        0 in order, 2 by a reset"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_backend_that_is_killed_ends_its_connections_and_the_next_ones_go_to_the_other) {
    run_program_test([] {
        std::string const file = pattern(3, 16'000'000);
        auto give = [&](tcp::socket s) { send(s, receive(s, 1) == "x" ? std::string_view(file) : "short"); };
        with_server(give, [&](std::uint16_t port) {
            with_proxy({port}, {}, [&](proxy_running& middle) {  // a process that can be killed
                with_proxy({middle.port, port}, {}, [&](proxy_running& p) {
                    auto socket = p.connect();
                    send(socket, "x");
                    std::string got = receive(socket, 1000);
                    middle.process.kill();
                    middle.process.wait();
                    got += receive_all(socket).first;
                    BOOST_TEST(got.size() < file.size());
                    BOOST_TEST(file.starts_with(got));
                    socket.close();
                    for (int i = 0; i < 4; ++i) {
                        auto next = p.connect();
                        send(next, "y");
                        BOOST_TEST(receive_all(next).first == "short");
                    }
                    std::string end = p.stop();
                    BOOST_TEST(contains(end, "backend      " + local(middle.port) + "  1 connections, "), end);
                    BOOST_TEST(contains(end, " failures, the last: Connection refused\n"), end);
                    BOOST_TEST(contains(end, "backend      " + local(port) + "  4 connections, 0 failures\n"), end);
                });
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(without_a_backend_the_client_is_reset) {
    run_program_test([] {
        with_proxy({free_port(), free_port()}, {}, [](proxy_running& p) {
            error_code how;
            try {
                auto socket = p.connect();
                how = ending(socket);
            } catch (weft::connect_error const& e) {  // it came before the kernel was asked whether the connection is made
                how = e.attempts().at(0).error;
            }
            BOOST_TEST(how == asio::error::connection_reset);
            std::string end = p.stop();
            BOOST_TEST(contains(end, "1 without a backend"), end);
        });
    });
}

BOOST_AUTO_TEST_CASE(draining_refuses_new_connections_and_lets_those_under_way_come_through_whole) {
    run_program_test([] {
        std::string const file = pattern(4, 16'000'000);
        with_server([&](tcp::socket s) { receive(s, 1); send(s, file); }, [&](std::uint16_t port) {
            with_proxy({port}, {"--grace", "60s"}, [&](proxy_running& p) {
                auto socket = p.connect();
                send(socket, "x");
                std::string got = receive(socket, 1000);
                p.process.terminate();
                BOOST_TEST(p.line_with("draining") == "draining 1 connections");
                wait_until([&] {
                    try { p.connect(); return false; } catch (weft::connect_error const&) { return true; }
                });
                auto [rest, ec] = receive_all(socket);
                BOOST_TEST((got + rest == file));
                BOOST_TEST(ec == asio::error::eof);
                end_sending(socket);
                std::string end = p.rest();
                BOOST_TEST(contains(end, "0 cut"), end);
                BOOST_TEST(contains(end, " 16000000 to the clients"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(what_is_under_way_is_reset_when_the_grace_time_is_over_or_at_a_second_signal) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            for (std::string grace : {"100ms", "10m"}) {
                with_proxy({port}, {"--grace", grace}, [&](proxy_running& p) {
                    auto socket = p.connect();
                    send(socket, "x");
                    receive(socket, 1);
                    p.process.terminate();
                    p.line_with("draining");
                    if (grace == "10m") p.process.signal(SIGINT);
                    BOOST_TEST(ending(socket) == asio::error::connection_reset);
                    std::string end = p.rest();
                    BOOST_TEST(contains(end, "1 cut"), end);
                });
            }
        });
    });
}

BOOST_AUTO_TEST_CASE(a_connection_on_which_nothing_moves_is_reset) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            with_proxy({port}, {"--idle", "100ms"}, [](proxy_running& p) {
                auto socket = p.connect();
                BOOST_TEST(ending(socket) == asio::error::connection_reset);
                std::string end = p.stop();
                BOOST_TEST(contains(end, "ended        0 in order, 0 by a reset, 1 idle"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(either_side_may_end_first_and_still_receive) {
    run_program_test([] {
        std::pair<std::string, error_code> at_server;
        weft::event server_done;
        auto talk = [&](tcp::socket s) {
            send(s, "hello");
            end_sending(s);
            at_server = receive_all(s);
            server_done.set();
        };
        with_server(talk, [&](std::uint16_t port) {
            with_proxy({port}, {}, [&](proxy_running& p) {
                auto socket = p.connect();
                auto [text, ec] = receive_all(socket);
                BOOST_TEST(text == "hello");
                BOOST_TEST(ec == asio::error::eof);
                BOOST_TEST(!server_done.is_set());
                send(socket, "late");
                end_sending(socket);
                weft::fail_after(in_the_end, [&] { server_done.wait(); });
                BOOST_TEST(at_server.first == "late");
                BOOST_TEST(at_server.second == asio::error::eof);
                std::string end = p.stop();
                BOOST_TEST(contains(end, "1 in order"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_slow_reader_stops_the_sender_and_not_the_memory) {
    run_program_test([] {
        constexpr std::size_t size = 40'000'000;
        std::string const part = pattern(5, 64'000);
        std::size_t sent = 0;
        auto give = [&](tcp::socket s) { for (; sent < size; sent += part.size()) send(s, part); };
        with_server(give, [&](std::uint16_t port) {
            with_proxy({port}, {}, [&](proxy_running& p) {
                auto socket = p.connect();
                receive(socket, 1);
                long before = most_memory(p.process.pid());
                for (std::size_t last = 0; last != sent;) {  // until all that lies between is full
                    last = sent;
                    weft::this_task::sleep_for(200ms);
                }
                BOOST_TEST(sent < size);
                std::size_t rest = 0;
                BOOST_TEST(ending(socket, &rest) == asio::error::eof);
                BOOST_TEST(rest == size - 1);
                BOOST_TEST(most_memory(p.process.pid()) - before < 8'000);
                end_sending(socket);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(connections_beyond_the_permits_wait_unaccepted) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            with_proxy({port}, {"--max-connections", "2"}, [](proxy_running& p) {
                std::vector<tcp::socket> clients;
                for (int i = 0; i < 3; ++i) send(clients.emplace_back(p.connect()), "x");
                receive(clients[0], 1);
                receive(clients[1], 1);
                BOOST_TEST(contains(p.accounts(), "2 accepted, 2 open, 2 at most"));
                clients[0].close();
                receive(clients[2], 1);
                BOOST_TEST(contains(p.accounts(), "3 accepted, 2 open, 2 at most"));
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_small_limit_of_descriptors_makes_connections_wait_and_not_fail) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            with_proxy({port}, {}, [](proxy_running& p) {
                std::vector<tcp::socket> clients;
                for (int i = 0; i < 20; ++i) send(clients.emplace_back(p.connect()), "x");
                for (auto& c : clients) {
                    receive(c, 1);
                    c.close();
                }
                std::string end = p.stop();
                BOOST_TEST(contains(end, "connections  20 accepted, 0 open, 7 at most"), end);
                BOOST_TEST(contains(end, "ended        20 in order"), end);
            }, {"sh", "-c", "ulimit -n 30; exec \"$0\" \"$@\""});
        });
    });
}

// rule 117, in a process
BOOST_AUTO_TEST_CASE(accepting_pauses_while_there_are_no_descriptors_and_then_goes_on) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            with_proxy({port}, {"--connect", "60s"}, [](proxy_running& p) {
                auto first = p.connect();  // what is made at the first use is there then
                send(first, "x");
                receive(first, 1);
                leave_descriptors(p.process.pid(), 3);
                std::vector<tcp::socket> clients;
                for (int i = 0; i < 4; ++i) send(clients.emplace_back(p.connect()), "x");
                receive(clients[0], 1);
                // One descriptor is left, which is not enough for the next one.
                weft::this_task::sleep_for(250ms);  // some pauses
                BOOST_TEST(contains(p.accounts(), "2 accepted, 2 open"));
                first.close();
                clients[0].close();
                for (int i = 1; i < 4; ++i) {
                    receive(clients[static_cast<std::size_t>(i)], 1);
                    clients[static_cast<std::size_t>(i)].close();
                }
                std::string end = p.stop();
                BOOST_TEST(contains(end, "ended        5 in order, 0 by a reset, 0 idle, 0 cut, 0 without a backend, 0 failed"), end);
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(it_shows_its_tree_of_tasks) {
    run_program_test([] {
        with_server(turn_round, [](std::uint16_t port) {
            with_proxy({port}, {}, [](proxy_running& p) {
                auto socket = p.connect();
                send(socket, "x");
                receive(socket, 1);
                p.process.signal(SIGUSR1);
                BOOST_TEST(contains(p.line_with("connections "), "1 accepted, 1 open"));
                p.line_with("server");
                p.line_with("relay");
                p.line_with("up");
            });
        });
    });
}

BOOST_AUTO_TEST_CASE(a_wrong_command_line_is_named) {
    run_program_test([] {
        struct { std::vector<std::string> options; std::string message; } const cases[] = {
            {{}, "--listen is missing"},
            {{"--listen", "0"}, "--to is missing"},
            {{"--listen"}, "--listen: its value is missing"},
            {{"--listen", "host:70000"}, "--listen: \"host:70000\" is not [host:]port"},
            {{"--listen", "::1:80"}, "--listen: \"::1:80\" is not [host:]port"},
            {{"--to", "80"}, "--to: \"80\" is not host:port"},
            {{"--idle", "-1s"}, "--idle: \"-1s\" is not a time such as"},
            {{"--max-connections", "many"}, "--max-connections: \"many\" is not a number"},
            {{"--what", "x"}, "there is no option --what"},
        };
        for (auto const& c : cases) {
            std::vector<std::string> command{program()};
            command.insert(command.end(), c.options.begin(), c.options.end());
            auto p = weft::run_process(command, {.check = false});
            BOOST_TEST(p.status.exit_code == 2);
            BOOST_TEST(contains(p.err, c.message), p.err);
        }
        auto p = weft::run_process({program(), "--listen", "192.0.2.1:80", "--to", "127.0.0.1:80"}, {.check = false});
        BOOST_TEST(p.status.exit_code == 1);
        BOOST_TEST(contains(p.err, "Cannot assign requested address"), p.err);
    });
}

BOOST_AUTO_TEST_SUITE_END()
