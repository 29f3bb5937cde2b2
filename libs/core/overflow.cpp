// SPDX-License-Identifier: BSL-1.0
#include "core/overflow.hpp"

#include "core/kernel.hpp"

#include <csignal>
#include <cstring>
#include <mutex>
#include <unistd.h>

namespace weft::detail {
namespace {

struct sigaction previous_segv, previous_bus;

// Async-signal-safe output: no allocation, no locks.
void put(std::string_view s) { static_cast<void>(!::write(STDERR_FILENO, s.data(), s.size())); }
void put(std::uint64_t n) {
    char digits[20];
    int i = 20;
    do { digits[--i] = static_cast<char>('0' + n % 10); n /= 10; } while (n != 0);
    put(std::string_view(digits + i, static_cast<std::size_t>(20 - i)));
}

big_stack const* big_stack_with_guard(kernel& k, void const* p) {
    auto address = reinterpret_cast<std::uintptr_t>(p);
    task_record const* t = k.current();
    big_stack const* b = t && t->fiber_ ? t->fiber_->big : nullptr;
    while (b && (address < b->guard || address >= b->low)) b = b->outer;
    return b;
}

void on_fault(int signal, siginfo_t* info, void* context) {
    bool sent = info->si_code <= 0;  // by kill or raise: there is no address, and returning does not repeat it
    kernel* k = sent ? nullptr : this_kernel;
    bool in_guard = false;
    worker* w = k ? k->worker_at(info->si_addr, in_guard) : nullptr;
    if (big_stack const* b = k && !in_guard ? big_stack_with_guard(*k, info->si_addr) : nullptr) {
        put("fatal[W021]: stack overflow in task #"); put(k->current()->id_); put(" \""); put(k->current()->name_.get());
        put("\": its big stack of "); put((b->top - b->low) / 1024);
        put(" KiB is used up.\n  help: pass a larger size to on_big_stack, or move large local arrays to the heap.\n");
    }
    if (in_guard) {
        put("fatal[W021]: stack overflow in task ");
        if (w && w->task) { put("#"); put(w->task->id_); put(" \""); put(w->task->name_.get()); put("\""); }
        put(": its stack of "); put(k->statistics().stack_size / 1024);
        put(" KiB is used up.\n  help: make run_options::stack_size larger, or move large local arrays to the heap.\n");
    }
    struct sigaction const& before = signal == SIGSEGV ? previous_segv : previous_bus;
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(signal, info, context);
        else before.sa_handler(signal);
        return;
    }
    if (sent && before.sa_handler == SIG_IGN) return;
    ::sigaction(signal, &before, nullptr);  // returning faults again, with the default action: the core is written
    if (sent) ::raise(signal);              // delivered on return
}

void install_once() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        ::sigemptyset(&action.sa_mask);
        ::sigaction(SIGSEGV, &action, &previous_segv);
        ::sigaction(SIGBUS, &action, &previous_bus);
    });
}

}  // namespace

overflow_reporter::overflow_reporter() {
    stack_t current{};
    if (::sigaltstack(nullptr, &current) == 0 && (current.ss_flags & SS_DISABLE)) {
        constexpr std::size_t size = 64 * 1024;
        stack_ = std::make_unique<std::byte[]>(size);
        stack_t mine{};
        mine.ss_sp = stack_.get();
        mine.ss_size = size;
        ::sigaltstack(&mine, nullptr);
    }
    install_once();
}

overflow_reporter::~overflow_reporter() {
    if (!stack_) return;
    stack_t off{};
    off.ss_flags = SS_DISABLE;
    ::sigaltstack(&off, nullptr);
}

}  // namespace weft::detail
