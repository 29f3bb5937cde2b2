// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_CONTEXT_MAP_HPP
#define WEFT_LIBS_CORE_CONTEXT_MAP_HPP

#include <memory>
#include <utility>
#include <vector>

namespace weft::detail {

/// The task_local values of a task: a small map, shared by reference count between a task and the children that it
/// starts, and copied by whichever of them changes a value first.
class context_map {
public:
    static context_map* share(context_map* m) noexcept { if (m) ++m->references_; return m; }
    /// One without values: unlike null it says that there is a context. This thread's own.
    static context_map* empty() {
        static thread_local std::unique_ptr<context_map> none(new context_map);
        return none.get();
    }
    /// Leaves null. A value's destructor that asks `m` for other values finds none, and what it sets goes as well.
    static void release(context_map*& m) noexcept {
        while (context_map* old = std::exchange(m, nullptr)) if (--old->references_ == 0) delete old;
    }

    std::shared_ptr<void> const* find(void const* key) const noexcept {
        for (auto const& v : values_) if (v.first == key) return &v.second;
        return nullptr;
    }
    /// Sets a value in the map that `m` points to, which is made or copied first where it is absent or shared.
    static void set(context_map*& m, void const* key, std::shared_ptr<void> value) {
        if (!m) m = new context_map;
        else if (m->references_ > 1) {
            auto* copy = new context_map;
            copy->values_ = m->values_;
            --m->references_;
            m = copy;
        }
        for (auto& v : m->values_) if (v.first == key) { v.second = std::move(value); return; }
        m->values_.emplace_back(key, std::move(value));
    }

    /// A map of one's own with the same values: for another thread, as the count is none for several.
    static context_map* copy(context_map const* m) {
        if (!m) return nullptr;
        auto* c = new context_map;
        c->values_ = m->values_;
        return c;
    }

private:
    unsigned references_{1};
    std::vector<std::pair<void const*, std::shared_ptr<void>>> values_;
};

/// The task_local values of a thread that runs a function for a task, and of a loop's stack during a callback that has
/// some; null elsewhere. A running task has its own.
extern constinit thread_local context_map* foreign_locals;

}  // namespace weft::detail

#endif
