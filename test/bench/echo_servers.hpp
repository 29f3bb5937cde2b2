// SPDX-License-Identifier: BSL-1.0
// Echo servers, each as its kind is usually written. None returns.
#ifndef WEFT_TEST_BENCH_ECHO_SERVERS_HPP
#define WEFT_TEST_BENCH_ECHO_SERVERS_HPP

void serve_epoll();
void serve_callbacks();
void serve_callbacks_write_first();
void serve_awaitable();
void serve_spawn();
void serve_weft();
void serve_weft_streams();

#endif
