// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_STD_FIBER_LOCAL_HPP
#define WEFT_STD_FIBER_LOCAL_HPP

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
/// A task's (or, where none runs, the thread's) value of a variable; made by make(arg) at the first call.
void* fiber_local_value(void const* key, void* (*make)(void const* arg), void const* arg, void (*destroy)(void*) noexcept);
void const* new_variable_key() noexcept;
}  // namespace detail

/// What `thread_local` is to threads, for tasks: each has its own value, made when it first asks and destroyed at its end, the last made
/// first, while it still may wait. A plain thread has one too, and so have the callbacks of a run, together.
///
///     weft::fiber_local<parser> scratch;                    // was: thread_local parser scratch;
///     scratch->parse(text);
///
/// Usually a global: the values of one that is gone stay with their tasks until these end. Not inherited: task_local is.
/// Threads: any; each sees its own. Complexity: a search of the task's list.
template <class T>
class fiber_local {
public:
    fiber_local() requires std::is_default_constructible_v<T> : make_([] { return new T(); }) {}
    /// Each task's value is a copy.
    explicit fiber_local(T first) requires std::is_copy_constructible_v<T> : make_([first = std::move(first)] { return new T(first); }) {}
    /// Each task's value is what make() returns.
    template <class F>
        requires(std::is_invocable_r_v<T, F&> && !std::is_convertible_v<F, T>)
    explicit fiber_local(F make) : make_([make = std::move(make)]() mutable { return new T(make()); }) {}
    fiber_local(fiber_local const&) = delete;
    fiber_local& operator=(fiber_local const&) = delete;

    /// Throws: what making the value throws; bad_alloc. Never blocks, but in that.
    T& get() const {
        void* p = detail::fiber_local_value(key_, [](void const* self) -> void* { return static_cast<fiber_local const*>(self)->make_(); }, this,
                                            [](void* value) noexcept { delete static_cast<T*>(value); });
        return *static_cast<T*>(p);
    }
    T& operator*() const { return get(); }
    T* operator->() const { return std::addressof(get()); }
    /// Of the task's own value.
    template <class U>
    T& operator=(U&& v) const { return get() = std::forward<U>(v); }

private:
    void const* key_{detail::new_variable_key()};
    std::function<T*()> make_;
};

}  // namespace weft

#endif
