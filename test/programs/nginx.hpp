// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TEST_PROGRAMS_NGINX_HPP
#define WEFT_TEST_PROGRAMS_NGINX_HPP

#include "program.hpp"

#include <random>

namespace weft_test {

/// A port of 127.0.0.1 that is free now, for servers that cannot say which one they got. Below those that the kernel gives to port 0, so that
/// nobody else gets it meanwhile.
inline std::uint16_t free_port() {
    std::random_device random;
    for (;;) {
        auto port = static_cast<std::uint16_t>(std::uniform_int_distribution<unsigned>(15000, 30000)(random));
        boost::system::error_code ec;
        tcp::acceptor a(weft::get_executor());
        a.open(tcp::v4());
        a.bind({boost::asio::ip::address_v4::loopback(), port}, ec);
        if (!ec) a.listen(1, ec);
        if (!ec) return port;
    }
}

/// Runs nginx in a folder, whose www it serves on 127.0.0.1:port with what is said in `server`, while body() runs.
template <class F>
void with_nginx(temporary_folder const& folder, std::uint16_t port, std::string const& server, F&& body) {
    std::string at = folder.path.string(), temporary;
    for (std::string what : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) temporary += what + "_temp_path " + at + "/" + what + ";\n";
    folder.write("nginx.conf", "daemon off; master_process off; pid " + at + "/pid; error_log " + at + "/error.log;\nevents { worker_connections 1024; }\n"
                 "http { access_log off; default_type text/html;\n" + temporary +
                 "server { listen 127.0.0.1:" + std::to_string(port) + "; root " + at + "/www;\n" + server + "} }\n");
    weft::with_process({"/usr/sbin/nginx", "-c", at + "/nginx.conf", "-e", at + "/error.log"}, {}, [&](weft::process& p) {
        wait_until([&] {
            boost::system::error_code ec;
            tcp::socket probe(weft::get_executor());
            probe.async_connect({boost::asio::ip::address_v4::loopback(), port}, weft::use_fiber[ec]);
            return !ec;
        });
        body();
        p.terminate();
    });
}

}  // namespace weft_test

#endif
