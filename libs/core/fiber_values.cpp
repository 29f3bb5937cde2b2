// SPDX-License-Identifier: BSL-1.0
// The values of fiber_local variables. They are beside the tasks' records, of which only few have any.
#include "core/fiber_values.hpp"

#include "core/kernel.hpp"

#include <unordered_map>
#include <vector>

namespace weft::detail {

namespace {

struct fiber_value {
    void const* key;
    void* value;
    void (*destroy)(void*) noexcept;
};

/// In the order in which they were made. A destructor may ask for values, and so make some.
struct value_list {
    std::vector<fiber_value> values;

    void* find(void const* key) const noexcept {
        for (fiber_value const& v : values) if (v.key == key) return v.value;
        return nullptr;
    }
    bool destroy_last() noexcept {
        if (values.empty()) return false;
        fiber_value last = values.back();
        values.pop_back();
        last.destroy(last.value);
        return true;
    }
};

/// Of the thread itself, or of its run's callbacks.
struct thread_values : value_list {
    ~thread_values() { while (destroy_last()) {} }
};
thread_local thread_values own_values;
thread_local std::unordered_map<task_record*, value_list> task_values;

value_list& values_here(task_record* t) { return t ? task_values[t] : own_values; }

}  // namespace

constinit thread_local std::size_t tasks_with_fiber_values = 0;

void destroy_fiber_values(task_record& t) noexcept {
    if (!task_values.contains(&t)) return;
    struct shield final : cancel_state {} s;
    s.set_shield(true);
    this_kernel->enter(s, &t, nullptr, nullptr);  // nothing is raised in it
    while (task_values[&t].destroy_last()) {}  // looked up each time: a destructor that waits lets others change the map
    this_kernel->leave(s);
    task_values.erase(&t);
    tasks_with_fiber_values = task_values.size();
}

// Declared beside fiber_local, in the std room.
void* fiber_local_value(void const* key, void* (*make)(void const* arg), void const* arg, void (*destroy)(void*) noexcept) {
    task_record* t = running_task;
    if (!t || tasks_with_fiber_values) {
        if (!t) { if (void* p = own_values.find(key)) return p; }
        else if (auto i = task_values.find(t); i != task_values.end()) if (void* p = i->second.find(key)) return p;
    }
    void* made = make(arg);  // may wait, and ask for other values
    try {
        values_here(t).values.push_back({key, made, destroy});
    } catch (...) {
        destroy(made);
        throw;
    }
    tasks_with_fiber_values = task_values.size();
    return made;
}

}  // namespace weft::detail
