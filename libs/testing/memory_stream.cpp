// SPDX-License-Identifier: BSL-1.0
#include <weft/testing/memory_stream.hpp>

#include <weft/core/errors.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>

namespace weft::testing {

namespace asio = boost::asio;
using boost::system::error_code;

namespace detail {

void memory_pipe::read(memory_operation_pointer op) {
    if (read_) { op->complete(asio::error::already_started, 0); return; }
    read_ = std::move(op);
    advance();
}

void memory_pipe::write(memory_operation_pointer op) {
    if (write_) { op->complete(asio::error::already_started, 0); return; }
    write_ = std::move(op);
    advance();
}

void memory_pipe::cancel_read() { if (read_) std::exchange(read_, nullptr)->complete(asio::error::operation_aborted, 0); }
void memory_pipe::cancel_write() { if (write_) std::exchange(write_, nullptr)->complete(asio::error::operation_aborted, 0); }
void memory_pipe::cancel(std::uint64_t id) {
    if (read_ && read_->id == id) cancel_read();
    if (write_ && write_->id == id) cancel_write();
}

void memory_pipe::close_writer() {
    writer_closed_ = true;
    cancel_write();
    advance();
}

void memory_pipe::close_reader() {
    reader_closed_ = true;
    data_.clear();
    cancel_read();
    advance();
}

void memory_pipe::fail(bool reads, error_code ec, std::size_t after) {
    (reads ? read_failure_ : write_failure_) = {ec, after};
    advance();
}

// A read makes room for a write, which may give the next read something.
void memory_pipe::advance() {
    write_now();
    read_now();
    write_now();
}

void memory_pipe::read_now() {
    if (!read_) return;
    auto finish = [&](error_code ec, std::size_t n) { std::exchange(read_, nullptr)->complete(ec, n); };
    if (read_->size == 0) { finish({}, 0); return; }
    bool fails = static_cast<bool>(read_failure_.code);
    if (fails && read_failure_.after == 0) { finish(read_failure_.code, 0); return; }
    if (data_.empty()) {
        if (writer_closed_) finish(asio::error::eof, 0);
        return;
    }
    std::size_t n = std::min({data_.size(), options_.max_read, fails ? read_failure_.after : data_.size()});
    n = asio::buffer_copy(read_->buffers, asio::buffer(data_.data(), n));
    data_.erase(0, n);
    if (fails) read_failure_.after -= n;
    finish({}, n);
}

void memory_pipe::write_now() {
    if (!write_) return;
    auto finish = [&](error_code ec, std::size_t n) { std::exchange(write_, nullptr)->complete(ec, n); };
    bool fails = static_cast<bool>(write_failure_.code);
    if (fails && write_failure_.after == 0) { finish(write_failure_.code, 0); return; }
    if (reader_closed_ || writer_closed_) { finish(asio::error::broken_pipe, 0); return; }
    if (write_->size == 0) { finish({}, 0); return; }
    std::size_t n = std::min({options_.capacity - data_.size(), write_->size, options_.max_write, fails ? write_failure_.after : write_->size});
    if (n == 0) return;
    std::size_t old = data_.size();
    data_.resize(old + n);
    asio::buffer_copy(asio::buffer(data_.data() + old, n), write_->buffers);
    if (fails) write_failure_.after -= n;
    finish({}, n);
}

}  // namespace detail

void memory_stream::close() {
    auto in = std::exchange(in_, nullptr);
    auto out = std::exchange(out_, nullptr);
    if (in) in->close_reader();
    if (out) out->close_writer();
}

void memory_stream::cancel() {
    if (in_) in_->cancel_read();
    if (out_) out_->cancel_write();
}

void memory_stream::fail_reads(error_code ec, std::size_t after) { if (in_) in_->fail(true, ec, after); }
void memory_stream::fail_writes(error_code ec, std::size_t after) { if (out_) out_->fail(false, ec, after); }

std::string const& memory_stream::incoming() const {
    static std::string const nothing;
    return in_ ? in_->in_flight() : nothing;
}

std::pair<memory_stream, memory_stream> memory_stream_pair(memory_stream_options const& options) {
    if (options.capacity == 0 || options.max_read == 0 || options.max_write == 0) {
        weft::detail::throw_misuse("memory_stream_pair with room for nothing", "its capacity, max_read and max_write are at least one byte.");
    }
    auto ex = get_executor();
    auto there = std::make_shared<detail::memory_pipe>(options), back = std::make_shared<detail::memory_pipe>(options);
    return {memory_stream(ex, back, there), memory_stream(ex, there, back)};
}

}  // namespace weft::testing
