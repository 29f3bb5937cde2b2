// SPDX-License-Identifier: BSL-1.0
// Not part of weft/testing.hpp: the one header of this room that includes Asio, as it stands for Asio's streams.
#ifndef WEFT_TESTING_MEMORY_STREAM_HPP
#define WEFT_TESTING_MEMORY_STREAM_HPP

#include <weft/asio/executor.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

struct memory_stream_options {
    std::size_t capacity{64 * 1024};                                 ///< bytes under way in each direction; a writer waits for room
    std::size_t max_read{std::numeric_limits<std::size_t>::max()};   ///< bytes that one read gets at most; 1: every message in single bytes
    std::size_t max_write{std::numeric_limits<std::size_t>::max()};  ///< bytes that one write takes at most
};

namespace detail {

/// One read or write that waits, with its buffers and its handler.
class memory_operation {
public:
    virtual ~memory_operation() = default;
    /// Posts the handler. Once: the result stands from here on, and a cancellation comes too late.
    virtual void complete(boost::system::error_code ec, std::size_t bytes) = 0;
    std::vector<boost::asio::mutable_buffer> buffers;  // a write only reads them
    std::size_t size{};
    std::uint64_t id{};
};
using memory_operation_pointer = std::unique_ptr<memory_operation>;

/// One direction.
class memory_pipe {
public:
    explicit memory_pipe(memory_stream_options const& o) : options_(o) {}
    void read(memory_operation_pointer op);
    void write(memory_operation_pointer op);
    void cancel_read();
    void cancel_write();
    /// Ends this very one, if it still waits.
    void cancel(std::uint64_t id);
    std::uint64_t next_id() noexcept { return ++last_id_; }
    void close_writer();
    void close_reader();
    void fail(bool reads, boost::system::error_code ec, std::size_t after);
    std::string const& in_flight() const noexcept { return data_; }

private:
    struct failure { boost::system::error_code code; std::size_t after{}; };
    void advance();
    void read_now();
    void write_now();
    memory_stream_options options_;
    std::string data_;
    memory_operation_pointer read_, write_;
    failure read_failure_, write_failure_;
    std::uint64_t last_id_{};
    bool writer_closed_{}, reader_closed_{};
};

template <class Handler>
class bound_memory_operation final : public memory_operation {
public:
    bound_memory_operation(Handler&& h, boost::asio::io_context::executor_type ex)
        : handler_(std::move(h)), work_(boost::asio::get_associated_executor(handler_, ex)) {}
    void complete(boost::system::error_code ec, std::size_t bytes) override {
        boost::asio::post(work_.get_executor(), [h = std::move(handler_), ec, bytes]() mutable { std::move(h)(ec, bytes); });
    }
    Handler& handler() noexcept { return handler_; }

private:
    Handler handler_;
    boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler, boost::asio::io_context::executor_type>> work_;
};

}  // namespace detail

/// One end of a connection in memory, with the interface of Asio's streams, so that protocol code can be tested without sockets: limited
/// buffers, single bytes, errors at a chosen byte. Everything it does is in virtual time and repeats exactly.
///
///     auto [client, server] = weft::testing::memory_stream_pair({.capacity = 16, .max_read = 1});
///     server.fail_reads(asio::error::connection_reset, 100);             // after a hundred bytes
///
/// Every operation completes through the loop, never inside its initiation; all types of cancellation end one that waits, with nothing
/// transferred. One read and one write at a time: a second completes with asio::error::already_started. The end of a stream is seen after
/// what was written before it. Its destruction closes it.
/// Threads: the runtime's own.    Source: Trio's memory_stream_pair.
class memory_stream {
public:
    using executor_type = boost::asio::io_context::executor_type;
    using lowest_layer_type = memory_stream;
    using next_layer_type = memory_stream;

    memory_stream(memory_stream&&) = default;
    memory_stream& operator=(memory_stream&& o) noexcept {
        if (this != &o) { close(); in_ = std::move(o.in_); out_ = std::move(o.out_); executor_ = o.executor_; }
        return *this;
    }
    ~memory_stream() { close(); }

    executor_type get_executor() const noexcept { return executor_; }
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    lowest_layer_type const& lowest_layer() const noexcept { return *this; }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, Buffers const& b) { start<&detail::memory_pipe::read>(in_, std::move(handler), b); }, token, buffers);
    }
    template <class Buffers, class Token>
    auto async_write_some(Buffers const& buffers, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, Buffers const& b) { start<&detail::memory_pipe::write>(out_, std::move(handler), b); }, token, buffers);
    }

    /// The other side reads what is under way, and then the end.
    void shutdown_write() { if (out_) out_->close_writer(); }
    /// Both directions; operations of this side that wait are aborted, and the other side's writes fail with broken_pipe.
    void close();
    void close(boost::system::error_code& ec) { close(); ec.clear(); }
    bool is_open() const noexcept { return in_ != nullptr; }
    /// Aborts the operations that wait.
    void cancel();

    /// Reads of this side fail with this error once so many more bytes have been read; writes likewise. For good.
    void fail_reads(boost::system::error_code ec, std::size_t after = 0);
    void fail_writes(boost::system::error_code ec, std::size_t after = 0);
    /// What was written by the other side and not been read.
    std::string const& incoming() const;

private:
    friend std::pair<memory_stream, memory_stream> memory_stream_pair(memory_stream_options const&);
    memory_stream(executor_type ex, std::shared_ptr<detail::memory_pipe> in, std::shared_ptr<detail::memory_pipe> out)
        : executor_(ex), in_(std::move(in)), out_(std::move(out)) {}

    template <auto Start, class Handler, class Buffers>
    void start(std::shared_ptr<detail::memory_pipe> const& pipe, Handler&& handler, Buffers const& buffers) {
        auto op = std::make_unique<detail::bound_memory_operation<std::decay_t<Handler>>>(std::move(handler), executor_);
        for (auto i = boost::asio::buffer_sequence_begin(buffers); i != boost::asio::buffer_sequence_end(buffers); ++i) {
            boost::asio::const_buffer b(*i);
            op->buffers.emplace_back(const_cast<void*>(b.data()), b.size());
            op->size += b.size();
        }
        if (!pipe) { op->complete(boost::asio::error::bad_descriptor, 0); return; }
        auto slot = boost::asio::get_associated_cancellation_slot(op->handler());
        if (slot.is_connected()) {
            slot.assign([w = std::weak_ptr(pipe), id = op->id = pipe->next_id()](boost::asio::cancellation_type) {
                if (auto p = w.lock()) p->cancel(id);
            });
        }
        ((*pipe).*Start)(std::move(op));
    }

    executor_type executor_;
    std::shared_ptr<detail::memory_pipe> in_, out_;  // null when closed
};

/// Two streams, each of which reads what the other one writes. Throws: not_running_error; misuse_error for a capacity or a maximum of 0.
std::pair<memory_stream, memory_stream> memory_stream_pair(memory_stream_options const& options = {});

}  // namespace weft::testing

#endif
