// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_BUFFERED_READER_HPP
#define WEFT_NET_BUFFERED_READER_HPP

#include <weft/net/detail/read_buffer.hpp>
#include <weft/net/stream.hpp>
#include <weft/net/stream_errors.hpp>
#include <weft/sync/resource_guard.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// Reads lines and messages from a stream of bytes. What has come and was not taken yet stays in its buffer: a read that is cancelled, or
/// ends with an error, takes nothing, and can be made again, or another in its place.
///
///     weft::buffered_reader reader(socket);              // refers to it; buffered_reader reader(std::move(socket)) owns it
///     std::string request = reader.read_until("\r\n\r\n", 16 * 1024);
///     std::string body = reader.read_exactly(length_of(request));
///     for (std::string& line : reader.lines(1024)) …
///
/// Blocks:        every read: a cancellation point always; waits only where the buffer does not have the answer.
/// Cancellation:  loses no byte, where the stream itself loses none (an asio::ssl::stream does, a tls_stream does not).
/// Throws:        system_error of the stream; incomplete_read_error where the stream ends too early; limit_exceeded_error; cancelled;
///                busy_resource_error for a second reading task.
/// Complexity:    memory grows with what comes, not with what is asked for, up to the limit or length, or 64 KiB if that is more.
/// Threads:       the runtime's own.    Source: asyncio's StreamReader; differs in that nothing is lost and each limit is given.
template <class Stream>
    requires readable_stream<std::remove_reference_t<Stream>>
class buffered_reader {
public:
    using stream_type = std::remove_reference_t<Stream>;
    using fiber_reads = void;  ///< weft::read_some takes a reader, too

    explicit buffered_reader(Stream&& s) : stream_(std::forward<Stream>(s)) {}
    buffered_reader(buffered_reader const&) = delete;

    /// At least one byte, from the buffer first; 0 at the end of the stream, or if `to` is empty.
    template <class Buffers>
    std::size_t read_some(Buffers const& to) {
        resource_guard::scoped alone(guard_);
        if (buffer_.empty() && boost::asio::buffer_size(to) >= buffer_.first_capacity) return weft::read_some(stream_, to);  // no copy
        need(boost::asio::buffer_size(to) > 0 ? 1 : 0);
        std::size_t n = boost::asio::buffer_copy(to, boost::asio::buffer(buffered()));
        buffer_.consume(n);
        return n;
    }

    /// So many bytes. Throws: incomplete_read_error if the stream ends before; where nothing was left its received() is empty.
    std::string read_exactly(std::size_t bytes) {
        resource_guard::scoped alone(guard_);
        need_exactly(bytes);
        return take(bytes, 0);
    }
    /// As many as the buffers hold.
    template <class Buffers>
        requires boost::asio::is_mutable_buffer_sequence<Buffers>::value
    void read_exactly(Buffers const& to) {
        resource_guard::scoped alone(guard_);
        std::size_t bytes = boost::asio::buffer_size(to);
        need_exactly(bytes);
        boost::asio::buffer_copy(to, boost::asio::buffer(buffered()));
        buffer_.consume(bytes);
    }

    /// What comes before the delimiter, at most `limit` bytes. The delimiter is taken, too, and is not in the result.
    /// Throws: limit_exceeded_error; incomplete_read_error if the stream ends before; misuse_error for an empty delimiter.
    std::string read_until(std::string_view delimiter, std::size_t limit) {
        resource_guard::scoped alone(guard_);
        detail::check_delimiter(delimiter);
        std::size_t at = find(delimiter, limit, "read_until", limit);
        if (at == npos) detail::throw_incomplete("read_until", buffered(), std::nullopt);
        return take(at, delimiter.size());
    }

    /// A line without its end, which is \n or \r\n; the last one may have none. Empty at the end of the stream.
    /// Throws: limit_exceeded_error if the line is longer.
    std::optional<std::string> read_line(std::size_t limit) {
        resource_guard::scoped alone(guard_);
        std::size_t room = limit < npos - 1 ? limit + 1 : limit;  // for a \r
        std::size_t at = find("\n", room, "read_line", limit);
        std::size_t end = at == npos ? 0 : 1;
        if (at == npos) at = buffered().size();
        if (at == 0 && end == 0) return std::nullopt;
        if (end == 1 && at > 0 && buffered()[at - 1] == '\r') { --at; ++end; }
        if (at > limit) detail::throw_limit("read_line", limit);
        return take(at, end);
    }

    /// The lines up to the end of the stream, for a range-based for: each step is a read_line(limit).
    class line_range {
    public:
        class iterator {
        public:
            using value_type = std::string;
            using difference_type = std::ptrdiff_t;
            using iterator_concept = std::input_iterator_tag;
            explicit iterator(line_range& r) : range_(&r) {}
            std::string& operator*() const noexcept { return *range_->line_; }
            iterator& operator++() { range_->next(); return *this; }
            void operator++(int) { range_->next(); }
            bool operator==(std::default_sentinel_t) const noexcept { return !range_->line_; }
        private:
            line_range* range_;
        };
        line_range(buffered_reader& r, std::size_t limit) : reader_(&r), limit_(limit) {}
        iterator begin() { next(); return iterator(*this); }
        std::default_sentinel_t end() const noexcept { return {}; }
    private:
        void next() { line_ = reader_->read_line(limit_); }
        buffered_reader* reader_;
        std::size_t limit_;
        std::optional<std::string> line_;
    };
    line_range lines(std::size_t limit) { return {*this, limit}; }

    /// Whether the stream has ended and the buffer is empty: tells an end between two messages from one inside. Waits for a byte, or for the end.
    bool at_end() {
        resource_guard::scoped alone(guard_);
        return !need(1);
    }

    /// What has been read from the stream and not been taken, until the next read: for a protocol that goes on without this reader.
    /// Never blocks.
    std::string_view buffered() const noexcept { return buffer_.text(); }
    /// Takes bytes of buffered(). Never blocks. Throws: misuse_error for more than there are.
    void consume(std::size_t bytes) {
        if (bytes > buffered().size()) detail::throw_misuse("buffered_reader::consume of more bytes than are buffered", "ask buffered() for how many there are.");
        buffer_.consume(bytes);
    }
    stream_type& stream() noexcept { return stream_; }

private:
    static constexpr std::size_t npos = std::string_view::npos;

    /// Reads until so many bytes are in the buffer. Returns false if the stream ends before.
    bool need(std::size_t bytes) {
        if (buffered().size() >= bytes) {
            detail::io_point("buffered_reader");
            detail::io_did_not_wait();
            return true;
        }
        while (buffered().size() < bytes) if (!fill(bytes)) return false;
        return true;
    }
    /// One read. Returns false at the end of the stream.
    bool fill(std::size_t wanted) {
        boost::asio::mutable_buffer room = buffer_.prepare(wanted);
        std::size_t n;
        if constexpr (detail::fiber_readable<stream_type>) {
            buffer_.commit(n = stream_.read_some(room));
        } else {
            detail::io_outcome o = detail::read_once(stream_, room);
            buffer_.commit(o.bytes);  // first: they stay, whatever comes with them
            n = o.take_read("weft::buffered_reader");
        }
        return n > 0;
    }
    void need_exactly(std::size_t bytes) {
        if (!need(bytes)) detail::throw_incomplete("read_exactly", buffered(), bytes);
    }
    /// The place of the delimiter, not beyond `limit`; npos if the stream ends before it.
    std::size_t find(std::string_view delimiter, std::size_t limit, char const* call, std::size_t shown_limit) {
        std::size_t bytes = limit < npos - delimiter.size() ? limit + delimiter.size() : npos;  // that decide
        std::size_t searched = 0;
        detail::io_point("buffered_reader");
        for (bool waited = false;; waited = true) {
            std::string_view text = buffered().substr(0, bytes);
            std::size_t at = text.find(delimiter, searched);
            if (at != npos) {
                if (!waited) detail::io_did_not_wait();
                return at;
            }
            if (text.size() == bytes) detail::throw_limit(call, shown_limit);
            searched = text.size() < delimiter.size() ? 0 : text.size() - delimiter.size() + 1;
            if (!fill(bytes)) return npos;
        }
    }
    std::string take(std::size_t bytes, std::size_t end) {
        std::string s(buffered().substr(0, bytes));
        buffer_.consume(bytes + end);
        return s;
    }

    Stream stream_;
    detail::read_buffer buffer_;
    resource_guard guard_{"buffered_reader"};
};

template <class S> buffered_reader(S&&) -> buffered_reader<S>;

}  // namespace weft

#endif
