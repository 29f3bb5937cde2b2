// SPDX-License-Identifier: BSL-1.0
// Counts the allocations of a server where the contest can read them: in a page that they share.
#include <cstddef>
#include <cstdlib>

#include <sys/mman.h>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

long private_count;
long* count = &private_count;

// Before main allocates anything that counts.
__attribute__((constructor)) void attach() {
    char const* fd = std::getenv("WEFT_BENCH_COUNTER");
    if (!fd) return;
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, std::atoi(fd), 0);
    if (page != MAP_FAILED) count = static_cast<long*>(page);
}

}  // namespace

extern "C" {
void* malloc(std::size_t n) noexcept { ++*count; return __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { ++*count; return __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { ++*count; return __libc_realloc(p, n); }
void* memalign(std::size_t a, std::size_t n) noexcept { ++*count; return __libc_memalign(a, n); }
void* aligned_alloc(std::size_t a, std::size_t n) noexcept { ++*count; return __libc_memalign(a, n); }
int posix_memalign(void** p, std::size_t a, std::size_t n) noexcept { ++*count; return (*p = __libc_memalign(a, n)) ? 0 : 12; }
}
