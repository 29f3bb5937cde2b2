// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_THEN_HPP
#define WEFT_FUTURE_DETAIL_THEN_HPP

#include <weft/future/detail/state.hpp>

#include <concepts>
#include <optional>

namespace weft::detail {

/// What an executor is given: a function to be called once, where it sees fit; never inside the call that gives it. If it is
/// destroyed instead, so is what then() was given.
class ready_call {
public:
    explicit ready_call(std::shared_ptr<continuation> c) noexcept : c_(std::move(c)) {}
    void operator()() const { c_->run(); }

private:
    std::shared_ptr<continuation> c_;
};

/// How then() hands work to an executor of type E: by calling it. A higher room specialises this for executors that are no
/// functions; weft/asio/future.hpp does for Asio's.
template <class E>
struct poster {
    static_assert(std::invocable<E&, ready_call>,
                  "then() takes a function that posts the function it is given; for Asio's executors include <weft/asio/future.hpp>");
    E executor;
    void operator()(ready_call c) { executor(std::move(c)); }
};

template <class Future, class E, class F>
class typed_continuation final : public continuation {
public:
    typed_continuation(Future ready, E const& e, F&& f) : poster_{e}, f_(std::in_place, std::move(f)), future_(std::move(ready)) {}
    void post(std::shared_ptr<continuation> self) override { poster_(ready_call(std::move(self))); }
    void run() override {
        F f = std::move(*f_);
        f_.reset();
        std::move(f)(std::move(future_));
    }

private:
    poster<E> poster_;
    std::optional<F> f_;
    Future future_;
};

/// `ready`: a future of s, taken over if nothing throws.
template <class Future, class E, class F>
void add_then(future_state& s, Future&& ready, E&& e, F&& f) {
    using function = std::decay_t<F>;
    static_assert(std::invocable<function, Future>, "then()'s function is called with the future, which is ready");
    s.refuse_deferred();
    s.add_continuation(std::make_shared<typed_continuation<Future, std::decay_t<E>, function>>(std::move(ready), e, function(std::forward<F>(f))));
}

}  // namespace weft::detail

#endif
