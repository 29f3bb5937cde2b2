// SPDX-License-Identifier: BSL-1.0
// Debian's libcurl, many requests at once: a thread for each, or a task for each on one thread, on weft_posix.
//   libcurl_fan threads|tasks URL CALLS
#include <weft/weft.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <curl/curl.h>
#include <string>
#include <thread>
#include <vector>

namespace {

bool fetch(char const* url) {
    CURL* c = curl_easy_init();
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, static_cast<std::size_t (*)(char*, std::size_t, std::size_t, void*)>([](char*, std::size_t s, std::size_t n, void*) { return s * n; }));
    long status = 0;
    bool fine = curl_easy_perform(c) == CURLE_OK && curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
    curl_easy_cleanup(c);
    return fine;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("usage: libcurl_fan threads|tasks URL CALLS\n", stderr);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_ALL);
    int calls = std::atoi(argv[3]);
    std::atomic<int> fine{0};
    auto start = std::chrono::steady_clock::now();
    if (std::string(argv[1]) == "threads") {
        std::vector<std::thread> all;
        for (int i = 0; i < calls; ++i) all.emplace_back([&] { fine += fetch(argv[2]); });
        for (auto& t : all) t.join();
    } else {
        weft::run([&] {
            weft::with_nursery([&](weft::nursery& n) { for (int i = 0; i < calls; ++i) n.start_soon([&] { fine += fetch(argv[2]); }); });
        });
    }
    std::printf("%d of %d answered in %.3f s\n", fine.load(), calls, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}
