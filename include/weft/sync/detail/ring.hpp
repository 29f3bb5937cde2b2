// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_SYNC_DETAIL_RING_HPP
#define WEFT_SYNC_DETAIL_RING_HPP

#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace weft::detail {

/// A FIFO in a block whose size is a power of two. It never allocates by itself: its owner, who may hold a lock that
/// nothing may allocate under, makes a larger one outside of it and moves the items over.
template <class E>
class ring {
public:
    ring() = default;
    /// With room for `least` items. Throws std::bad_alloc.
    explicit ring(std::size_t least) : size_(least == 0 ? 0 : std::bit_ceil(least)), at_(size_ == 0 ? nullptr : std::allocator<E>().allocate(size_)) {}
    ring(ring const&) = delete;
    ring& operator=(ring const&) = delete;
    ~ring() {
        while (count_ > 0) drop();
        if (at_) std::allocator<E>().deallocate(at_, size_);
    }
    void swap(ring& o) noexcept {
        std::swap(size_, o.size_);
        std::swap(at_, o.at_);
        std::swap(first_, o.first_);
        std::swap(count_, o.count_);
    }

    std::size_t count() const noexcept { return count_; }
    std::size_t room() const noexcept { return size_; }
    bool full() const noexcept { return count_ == size_; }
    E& front() noexcept { return at_[first_]; }
    /// Precondition of both: !full().
    void push(E&& e) noexcept { ::new (static_cast<void*>(at_ + ((first_ + count_) & (size_ - 1)))) E(std::move(e)); ++count_; }
    void push_front(E&& e) noexcept {
        std::size_t before = (first_ - 1) & (size_ - 1);
        ::new (static_cast<void*>(at_ + before)) E(std::move(e));
        first_ = before;
        ++count_;
    }
    void drop() noexcept {
        std::destroy_at(at_ + first_);
        first_ = (first_ + 1) & (size_ - 1);
        --count_;
    }
    /// Takes all items of o, which holds no more than fit.
    void adopt(ring& o) noexcept { for (; o.count_ > 0; o.drop()) push(std::move(o.front())); }

private:
    std::size_t size_{};
    E* at_{};
    std::size_t first_{};
    std::size_t count_{};
};

}  // namespace weft::detail

#endif
