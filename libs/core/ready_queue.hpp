// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_CORE_READY_QUEUE_HPP
#define WEFT_LIBS_CORE_READY_QUEUE_HPP

#include <weft/core/detail/task_record.hpp>

#include <algorithm>
#include <memory>

namespace weft::detail {

/// An intrusive list over task_record::next_ and prev_.
class task_list {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    task_record* front() const noexcept { return head_; }

    void push_back(task_record& t) noexcept {
        t.next_ = nullptr;
        t.prev_ = tail_;
        (tail_ ? tail_->next_ : head_) = &t;
        tail_ = &t;
    }
    void remove(task_record& t) noexcept {
        (t.prev_ ? t.prev_->next_ : head_) = t.next_;
        (t.next_ ? t.next_->prev_ : tail_) = t.prev_;
    }

private:
    task_record* head_{};
    task_record* tail_{};
};

/// Tasks runnable now form one batch; one that becomes runnable meanwhile waits for the next. A batch runs first to
/// last or last to first, as its owner says when it begins. Of tasks that have not run yet a batch takes only so many:
/// a hundred thousand started at once must not stand between a deadline and the task that it wakes.
///
/// Arrays of pointers and not lists: the records of the tasks that run next can be fetched ahead (a list gives an
/// address only once the record before it has arrived: 20 ns a task with 10,000 of them). Room for all tasks is
/// reserved when records are made, so that nothing here allocates.
class ready_queue {
public:
    static constexpr std::size_t first_runs = 256;  ///< in one batch

    /// Makes room for that many tasks, each of which is in here at most once.
    void reserve(std::size_t tasks) {
        if (tasks <= room_) return;
        room_ = std::max(tasks, 2 * room_);
        batch_.grow(room_);
        next_.grow(room_);
        new_.grow(2 * room_);  // its consumed part is given back only when it is the larger half
    }
    bool empty() const noexcept { return begin_ == end_ && next_.size == 0 && first_new_ == new_.size; }
    std::size_t size() const noexcept { return woken() + new_.size - first_new_; }
    /// Those that have run before: what a woken task may have to wait for, apart from first_runs.
    std::size_t woken() const noexcept { return batch_size() + next_.size; }
    void push(task_record& t) noexcept {
        pointers& q = t.fiber_ ? next_ : new_;
        q.at[q.size++] = &t;
    }
    bool batch_empty() const noexcept { return begin_ == end_; }
    std::size_t batch_size() const noexcept { return end_ - begin_; }

    /// The only task that is ready, and has run before; null otherwise. A batch of one has no order: two tasks that take
    /// turns are saved 4 ns a switch.
    task_record* pop_only() noexcept {
        if (begin_ != end_ || next_.size != 1 || first_new_ != new_.size) return nullptr;
        next_.size = 0;
        return next_.at[0];
    }
    void begin_batch(bool backwards) noexcept {
        std::swap(batch_, next_);
        next_.size = 0;
        if (first_new_ != new_.size) take_new();
        backwards_ = backwards;
        begin_ = 0;
        end_ = batch_.size;
    }

    task_record* pop() noexcept {
        if (backwards_) {
            task_record* t = batch_.at[--end_];
            if (end_ >= begin_ + ahead) prefetch(batch_.at[end_ - ahead]);
            return t;
        }
        task_record* t = batch_.at[begin_++];
        if (begin_ + ahead <= end_) prefetch(batch_.at[begin_ + ahead - 1]);
        return t;
    }
    task_record* pop_at(std::size_t i) noexcept {
        task_record* t = batch_.at[begin_ + i];
        std::copy(&batch_.at[begin_ + i + 1], &batch_.at[end_], &batch_.at[begin_ + i]);
        --end_;
        return t;
    }

private:
    struct pointers {
        std::unique_ptr<task_record*[]> at;
        std::size_t size{};
        void grow(std::size_t room) {
            auto larger = std::make_unique<task_record*[]>(room);
            std::copy(at.get(), at.get() + size, larger.get());
            at = std::move(larger);
        }
    };
    static constexpr std::size_t ahead = 3;
    static void prefetch(task_record const* t) noexcept {
        auto const* p = reinterpret_cast<char const*>(t);
        __builtin_prefetch(p, 1);
        __builtin_prefetch(p + 64, 1);
    }
    WEFT_NOINLINE void take_new() noexcept {
        std::size_t n = std::min(first_runs, new_.size - first_new_);
        n = std::min(n, room_ - batch_.size);
        std::copy(&new_.at[first_new_], &new_.at[first_new_ + n], &batch_.at[batch_.size]);
        batch_.size += n;
        first_new_ += n;
        if (first_new_ == new_.size) {
            new_.size = first_new_ = 0;
        } else if (first_new_ > new_.size / 2) {
            std::copy(&new_.at[first_new_], &new_.at[new_.size], &new_.at[0]);
            new_.size -= first_new_;
            first_new_ = 0;
        }
    }

    pointers batch_;  // [begin_, end_) have not run yet
    pointers next_;
    pointers new_;    // from first_new_ on
    std::size_t begin_{};
    std::size_t end_{};
    std::size_t first_new_{};
    std::size_t room_{};
    bool backwards_{};
};

}  // namespace weft::detail

#endif
