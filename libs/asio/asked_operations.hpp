// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_LIBS_ASIO_ASKED_OPERATIONS_HPP
#define WEFT_LIBS_ASIO_ASKED_OPERATIONS_HPP

#include <weft/asio/detail/operation.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace weft::detail {

/// The operations of one io_context that were asked to stop and whose handlers have not come. They are asked again: at first after
/// each pass of the loop's queue, then at growing intervals of real time. A composed operation that keeps no record of requests, as
/// Beast's, does not hear what comes when one of its steps has completed and the next has not begun.
class asked_operations : public boost::asio::execution_context::service {
public:
    using key_type = asked_operations;
    static boost::asio::execution_context::id id;

    explicit asked_operations(boost::asio::execution_context& context);

    void add(operation& o);
    void remove(operation& o) noexcept;

private:
    static constexpr int passes = 8;  // before a timer is used

    void shutdown() override { first_ = last_ = nullptr; }
    void ask_again();
    void schedule();
    void push_back(operation& o) noexcept;
    void unlink(operation& o) noexcept;

    boost::asio::io_context& io_;
    boost::asio::steady_timer timer_;
    operation* first_{};  // the run's thread only, as everything here
    operation* last_{};
    std::size_t size_{};
    int round_{};         // since the last was added
    bool posted_{};       // a pass is queued
};

}  // namespace weft::detail

#endif
