// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_DETAIL_READ_BUFFER_HPP
#define WEFT_NET_DETAIL_READ_BUFFER_HPP

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <memory>
#include <string_view>

namespace weft::detail {

/// Bytes that were read ahead. Without memory until the first read.
class read_buffer {
public:
    static constexpr std::size_t first_capacity = 4 * 1024;
    /// Reads that fill all their room double it up to here; larger ones are given back when they are empty.
    static constexpr std::size_t kept_capacity = 64 * 1024;

    bool empty() const noexcept { return begin_ == end_; }
    std::string_view text() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
    /// Room for a read, where `wanted` bytes are to be in the buffer in the end: at least one byte, and not more memory than
    /// wanted or kept_capacity, whichever is more. Precondition: wanted > text().size().
    boost::asio::mutable_buffer prepare(std::size_t wanted);
    void commit(std::size_t bytes) noexcept;
    void consume(std::size_t bytes) noexcept;

private:
    void move_to(std::size_t capacity);
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;  // begin_ <= end_ <= capacity_; both 0 when empty
    bool filled_ = false;                             // the last read took all its room: more is there
};

}  // namespace weft::detail

#endif
