// SPDX-License-Identifier: BSL-1.0
// Descriptors as alternatives of a select.
#ifndef WEFT_ASIO_SELECT_HPP
#define WEFT_ASIO_SELECT_HPP

#include <weft/asio/executor.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/select.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <concepts>
#include <functional>
#include <utility>

namespace weft {
namespace detail {

/// The wait of one alternative for readiness. Started at most once; in the select's frame until its handler has come.
class readiness {
public:
    readiness() = default;
    readiness(readiness const&) = delete;

    /// The handler: marks it done, also when it is destroyed uncalled.
    class handler {
    public:
        explicit handler(readiness& r) noexcept : r_(&r) {}
        handler(handler&& o) noexcept : r_(std::exchange(o.r_, nullptr)) {}
        handler& operator=(handler&&) = delete;
        ~handler() { if (r_) r_->finish(boost::asio::error::operation_aborted); }
        void operator()(boost::system::error_code const& e) { std::exchange(r_, nullptr)->finish(e); }
    private:
        readiness* r_;
    };

    template <class Start>
    void start(Start&& start) {
        if (std::exchange(started_, true)) return;
        start(boost::asio::bind_cancellation_slot(signal_.slot(), boost::asio::bind_executor(get_executor(), handler(*this))));
    }
    bool done() const noexcept { return done_; }
    wait_queue<no_lock>& queue() noexcept { return queue_; }
    /// Throws the error of the wait.
    void check(char const* call) const { if (error_) throw boost::system::system_error(error_, call); }
    /// Cancels it and waits until its handler has come: it refers to this.
    void end();

private:
    void finish(boost::system::error_code const& e) noexcept;

    boost::asio::cancellation_signal signal_;
    wait_queue<no_lock> queue_;
    event ended_;
    boost::system::error_code error_;
    bool started_{};
    bool done_{};
    bool emitting_{};
};

template <class Object, class F>
class readiness_alternative final : public select_alternative {
public:
    using result = std::invoke_result_t<F&>;
    readiness_alternative(Object& o, typename Object::wait_type what, F f) : object_(o), what_(what), f_(std::move(f)) {}
    result complete() {
        wait_.check(what());
        return std::invoke(f_);
    }
    void prepare() override { wait_.start([this](auto h) { object_.async_wait(what_, std::move(h)); }); }
    bool ready() noexcept override { return wait_.done(); }
    offer take() noexcept override { return offer::taken; }
    void list(waiter& w) noexcept override { wait_.queue().push_back(w); }
    void unlist(waiter& w) noexcept override { if (wait_.queue().listed(w)) wait_.queue().remove(w); }
    void give_up() override { wait_.end(); }
    char const* what() const noexcept override { return what_ == Object::wait_read ? "readable" : what_ == Object::wait_write ? "writable" : "error"; }

private:
    Object& object_;
    typename Object::wait_type what_;
    F f_;
    readiness wait_;
};

/// Sockets, acceptors, descriptors.
template <class O>
concept waitable_object = requires(O& o, void (*h)(boost::system::error_code)) {
    o.async_wait(O::wait_read, h);
    o.async_wait(O::wait_write, h);
};

}  // namespace detail

/// For select: taken when a socket, an acceptor or a descriptor can be read without waiting, or has an error to tell; calls f(),
/// which reads. Waiting for it has no effect on the object, so that the alternatives not taken leave none.
///
///     weft::select(weft::on_readable(socket, [&] { n = socket.read_some(buffer); }),
///                  commands.on_receive([&](command c) { … }),
///                  weft::on_timeout(30s, [&] { … }));
///
/// Any other operation of Asio's, once started, cannot be undone: run it as a task, and take its future:
///
///     auto answer = weft::async([&] { return resolver.async_resolve(host, port, weft::use_fiber); });
///     weft::select(answer.on_ready([&](auto endpoints) { … }), weft::on_timeout(1s, [&] { … }));
///
/// Hazard: ready means that a read does not wait now; another task may be faster, and a socket may forget (a lost datagram): set it
/// non-blocking where that matters. Threads: the runtime's own.
/// Throws: system_error of the wait.
template <detail::waitable_object O, std::invocable F>
auto on_readable(O& object, F f) { return detail::readiness_alternative<O, F>(object, O::wait_read, std::move(f)); }
/// The same for writing; a connecting socket is writable when it is connected, or has failed.
template <detail::waitable_object O, std::invocable F>
auto on_writable(O& object, F f) { return detail::readiness_alternative<O, F>(object, O::wait_write, std::move(f)); }

}  // namespace weft

#endif
