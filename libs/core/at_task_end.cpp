// SPDX-License-Identifier: BSL-1.0
#include <weft/core/detail/at_task_end.hpp>

#include "core/kernel.hpp"

#include <cstdlib>
#include <pthread.h>

namespace weft::detail {

namespace {

void append(at_end_node*& list, at_end_node& n) noexcept {
    n.next = nullptr;
    at_end_node** end = &list;
    while (*end) end = &(*end)->next;
    *end = &n;
}

void run_all(at_end_node* n) noexcept {
    while (n) {
        at_end_node* next = n->next;  // read first: n goes
        n->ended(*n);
        n = next;
    }
}

/// The list of a plain thread. A key's destructor, unlike that of a thread_local, runs when all of these are gone.
struct thread_list {
    pthread_key_t key;
    thread_list() {
        if (::pthread_key_create(&key, [](void* list) { run_all(static_cast<at_end_node*>(list)); }) != 0) throw std::bad_alloc();
        std::atexit([] {  // returning from main ends no thread
            auto* list = static_cast<at_end_node*>(::pthread_getspecific(instance().key));
            ::pthread_setspecific(instance().key, nullptr);
            run_all(list);
        });
    }
    static thread_list& instance() { static thread_list* l = new thread_list; return *l; }
};

}  // namespace

void at_task_end(at_end_node& n, char const* call) {
    if (!this_kernel) {
        pthread_key_t key = thread_list::instance().key;
        auto* list = static_cast<at_end_node*>(::pthread_getspecific(key));
        if (list) append(list, n);
        else if (n.next = nullptr; ::pthread_setspecific(key, &n) != 0) throw std::bad_alloc();
        return;
    }
    task_record* t = this_kernel->current();
    if (!t) throw_outside(call);
    at_task_end(n, *t);
}

void at_task_end(at_end_node& n, task_record& t) {
    append(this_kernel->end_actions[&t], n);
    t.has_end_actions_ = true;
}

void forget_at_task_end(at_end_node& n, task_record& t) noexcept {
    auto found = this_kernel->end_actions.find(&t);
    at_end_node** at = &found->second;
    while (*at != &n) at = &(*at)->next;
    *at = n.next;
    if (found->second) return;
    this_kernel->end_actions.erase(found);
    t.has_end_actions_ = false;
}

// One at a time: what they do may add to the list or take from it.
void kernel::run_end_actions(task_record& t) noexcept {
    while (t.has_end_actions_) {
        at_end_node& n = *end_actions.find(&t)->second;
        forget_at_task_end(n, t);
        n.ended(n);
    }
}

}  // namespace weft::detail
