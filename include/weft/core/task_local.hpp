// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_TASK_LOCAL_HPP
#define WEFT_CORE_TASK_LOCAL_HPP

#include <weft/core/errors.hpp>

#include <functional>
#include <memory>

namespace weft {

namespace detail {
/// Names a variable for good: its address will be that of another one, perhaps of another type, when it is gone.
void const* new_variable_key() noexcept;
std::shared_ptr<void> const* find_task_local(void const* key, char const* call);
void set_task_local(void const* key, std::shared_ptr<void> value);
void reset_task_local(void const* key, std::shared_ptr<void> value);
std::shared_ptr<void>& run_local_slot(void const* key, char const* call);
}  // namespace detail

/// A variable whose value belongs to the task. A child inherits the values that its starter has at the start; a later
/// change on either side is not seen by the other. Usually a global or a static member: the values of one that is gone
/// stay with their tasks until these end. There, values are destroyed last, in no order, while the task may still wait;
/// their destructors see the defaults of other variables.
///
///     weft::task_local<std::string> request_id{"-"};
///     request_id = "r-17";                            // this task, and the children that it starts from now on
///
/// Threads: values belong to tasks of any runtime; the object itself is immutable. A get costs a search of a short list.
/// Source:  Python's contextvars, as Trio uses them.
template <class T>
class task_local {
public:
    task_local() : make_default_([] { return T(); }) {}
    explicit task_local(T value) : make_default_([v = std::move(value)] { return v; }) {}
    task_local(task_local const&) = delete;
    task_local& operator=(task_local const&) = delete;

    /// This task's value, or the default. Throws not_running_error or wrong_domain_error outside of a task.
    T get() const {
        auto const* p = detail::find_task_local(key_, "task_local::get");
        return p && *p ? *static_cast<T const*>(p->get()) : make_default_();
    }
    /// For this task, and the children that it starts from now on. Throws not_running_error, wrong_domain_error.
    void set(T value) { detail::set_task_local(key_, std::make_shared<T>(std::move(value))); }
    task_local& operator=(T value) { set(std::move(value)); return *this; }
    operator T() const { return get(); }

    /// Sets a value for a block, and puts the former one back at its end. Made and destroyed in the same task.
    class scoped {
    public:
        scoped(task_local& variable, T value) : variable_(variable) {
            if (auto const* p = detail::find_task_local(variable.key_, "task_local::scoped")) former_ = *p;
            variable.set(std::move(value));
        }
        ~scoped() { detail::reset_task_local(variable_.key_, std::move(former_)); }
        scoped(scoped const&) = delete;
    private:
        task_local& variable_;
        std::shared_ptr<void> former_;
    };

private:
    std::function<T()> make_default_;
    void const* key_{detail::new_variable_key()};
};

/// A variable whose value belongs to the run: all its tasks and callbacks share one, a new run starts with the default.
/// At the end of the run the values are destroyed, the last made first, when no task is left.
template <class T>
class run_local {
public:
    run_local() : make_default_([] { return T(); }) {}
    explicit run_local(T value) : make_default_([v = std::move(value)] { return v; }) {}
    run_local(run_local const&) = delete;
    run_local& operator=(run_local const&) = delete;

    /// Throws not_running_error outside of a run.
    T& get() const {
        if (auto& slot = detail::run_local_slot(key_, "run_local::get")) return *static_cast<T*>(slot.get());
        auto value = std::make_shared<T>(make_default_());  // may use other run_locals, and move the slots
        detail::run_local_slot(key_, "run_local::get") = value;
        return *value;
    }
    void set(T value) { get() = std::move(value); }
    T& operator*() const { return get(); }
    T* operator->() const { return &get(); }

private:
    std::function<T()> make_default_;
    void const* key_{detail::new_variable_key()};
};

}  // namespace weft

#endif
