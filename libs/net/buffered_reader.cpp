// SPDX-License-Identifier: BSL-1.0
#include <weft/net/detail/read_buffer.hpp>
#include <weft/net/stream_errors.hpp>

#include <algorithm>
#include <cstring>

namespace weft {
namespace detail {

boost::asio::mutable_buffer read_buffer::prepare(std::size_t wanted) {
    std::size_t held = end_ - begin_;
    if (capacity_ == 0) {
        move_to(first_capacity);
    } else if (held == 0 && filled_ && capacity_ < kept_capacity) {
        move_to(std::min(2 * capacity_, kept_capacity));
    } else if (end_ == capacity_ || wanted > capacity_ - begin_) {
        // Doubled, so that each byte is moved a constant number of times; but what is wanted may be a number that the other side made up,
        // so that memory follows what has come.
        bool full = capacity_ - held < capacity_ / 2;
        if (full && wanted > capacity_) move_to(std::min(2 * capacity_, wanted));
        else if (begin_ > 0) move_to(capacity_);
    }
    filled_ = false;
    return {data_.get() + end_, capacity_ - end_};
}

void read_buffer::move_to(std::size_t capacity) {
    std::size_t held = end_ - begin_;
    if (capacity == capacity_) {
        std::memmove(data_.get(), data_.get() + begin_, held);
    } else {
        auto larger = std::make_unique_for_overwrite<char[]>(capacity);
        if (held > 0) std::memcpy(larger.get(), data_.get() + begin_, held);
        data_ = std::move(larger);
        capacity_ = capacity;
    }
    begin_ = 0;
    end_ = held;
}

void read_buffer::commit(std::size_t bytes) noexcept {
    end_ += bytes;
    filled_ = end_ == capacity_;
}

void read_buffer::consume(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > kept_capacity) { data_.reset(); capacity_ = 0; }
}

void check_delimiter(std::string_view delimiter) {
    if (delimiter.empty()) throw_misuse("buffered_reader::read_until with an empty delimiter", "pass what ends the message, or use read_some.");
}

void throw_incomplete(char const* call, std::string_view received, std::optional<std::size_t> expected) {
    std::string n = std::to_string(received.size()) + (expected ? " of " + std::to_string(*expected) : "") + (received.size() == 1 && !expected ? " byte" : " bytes");
    throw incomplete_read_error(message("W120", std::string("buffered_reader::") + call + ": the stream ended after " + n + in_task(), "the other side closed it, or went away, before the whole message had come.",
                                        "what has come is in received(), and still in the reader. Ask at_end() before a message, where an end between two is right."),
                                received, expected);
}

void throw_limit(char const* call, std::size_t limit) {
    throw limit_exceeded_error(message("W121", std::string("buffered_reader::") + call + ": no end within the limit of " + std::to_string(limit) + " bytes" + in_task(), "",
                                       "raise the limit if such messages are right, or close the connection. Nothing was taken: buffered() has it."), limit);
}

}  // namespace detail

incomplete_read_error::incomplete_read_error(std::string what, std::string_view received, std::optional<std::size_t> expected)
    : error(std::move(what)), received_(std::make_shared<std::string const>(received)), expected_(expected) {}

}  // namespace weft
