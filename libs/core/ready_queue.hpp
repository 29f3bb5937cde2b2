// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_READY_QUEUE_HPP
#define WEFT_LIBS_CORE_READY_QUEUE_HPP

#include <weft/core/detail/task_record.hpp>

namespace weft::detail {

/// An intrusive list over task_record::next_ and prev_.
class task_list {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    task_record* front() const noexcept { return head_; }

    void push_back(task_record& t) noexcept {
        t.next_ = nullptr;
        t.prev_ = tail_;
        (tail_ ? tail_->next_ : head_) = &t;
        tail_ = &t;
        ++size_;
    }
    void remove(task_record& t) noexcept {
        (t.prev_ ? t.prev_->next_ : head_) = t.next_;
        (t.next_ ? t.next_->prev_ : tail_) = t.prev_;
        --size_;
    }
    task_record* pop_front() noexcept { task_record* t = head_; remove(*t); return t; }
    task_record* pop_back() noexcept { task_record* t = tail_; remove(*t); return t; }

private:
    task_record* head_{};
    task_record* tail_{};
    std::size_t size_{};
};

/// Tasks runnable now form one batch; one that becomes runnable meanwhile waits for the next. A batch runs first to
/// last or last to first, as its owner says when it begins. Of tasks that have not run yet a batch takes only so many:
/// a hundred thousand started at once must not stand between a deadline and the task that it wakes.
class ready_queue {
public:
    static constexpr std::size_t first_runs = 256;  ///< in one batch

    bool empty() const noexcept { return batch_.empty() && next_.empty() && new_.empty(); }
    std::size_t size() const noexcept { return batch_.size() + next_.size() + new_.size(); }
    /// Those that have run before: what a woken task may have to wait for, apart from first_runs.
    std::size_t woken() const noexcept { return batch_.size() + next_.size(); }
    void push(task_record& t) noexcept { (t.fiber_ ? next_ : new_).push_back(t); }
    bool batch_empty() const noexcept { return batch_.empty(); }
    std::size_t batch_size() const noexcept { return batch_.size(); }
    void begin_batch(bool backwards) noexcept {
        std::swap(batch_, next_);
        for (std::size_t i = 0; i < first_runs && !new_.empty(); ++i) batch_.push_back(*new_.pop_front());
        backwards_ = backwards;
    }
    task_record* pop() noexcept { return backwards_ ? batch_.pop_back() : batch_.pop_front(); }
    task_record* pop_at(std::size_t i) noexcept {
        task_record* t = batch_.front();
        while (i-- > 0) t = t->next_;
        batch_.remove(*t);
        return t;
    }

private:
    task_list batch_;
    task_list next_;
    task_list new_;
    bool backwards_{};
};

}  // namespace weft::detail

#endif
