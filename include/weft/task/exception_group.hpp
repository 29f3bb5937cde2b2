// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TASK_EXCEPTION_GROUP_HPP
#define WEFT_TASK_EXCEPTION_GROUP_HPP

#include <weft/core/cancelled.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// Several errors that happened together: what leaves a nursery, even when it is only one. Groups nest as nurseries do.
///
///     try { weft::with_nursery(…); }
///     catch (weft::exception_group const& g) {
///         g.handle<std::system_error>([](std::system_error const& e) { log(e); });   // the rest is rethrown
///     }
///
/// Copying is cheap: the errors are shared.    Source: Python's ExceptionGroup (PEP 654).
class exception_group : public std::exception {
public:
    /// Precondition: at least one error, none null (misuse_error).
    exception_group(std::string message, std::vector<std::exception_ptr> errors);

    /// The message and, indented below it as a tree, each error's type and text.
    char const* what() const noexcept override { return data_->text.c_str(); }
    std::string const& message() const noexcept { return data_->message; }
    std::vector<std::exception_ptr> const& exceptions() const noexcept { return data_->errors; }
    /// Number of errors that are no groups, at any depth.
    std::size_t leaf_count() const noexcept;
    /// Calls f(exception_ptr const&) for each error that is no group, depth first.
    void for_each_leaf(std::function<void(std::exception_ptr const&)> const& f) const;

    /// Divides the leaves into those that match and those that do not, keeping the tree's shape on both sides.
    using halves = std::pair<std::optional<exception_group>, std::optional<exception_group>>;
    halves split_if(std::function<bool(std::exception_ptr const&)> const& matches) const;
    /// The leaves that `catch (E const&)` would catch, and the rest.
    template <class E>
    halves split() const { return split_if(&is<E>); }
    template <class E>
    bool contains() const {
        bool found = false;
        for_each_leaf([&](std::exception_ptr const& e) { found = found || is<E>(e); });
        return found;
    }

    /// Calls f(E const&) for each leaf of type E, and rethrows a group of the others, if there are any.
    template <class E, class F>
    void handle(F&& f) const {
        auto [mine, rest] = split<E>();
        if (mine) mine->for_each_leaf([&](std::exception_ptr const& e) {
            try { std::rethrow_exception(e); } catch (E const& x) { f(x); }
        });
        if (rest) throw exception_group(*rest);
    }

private:
    template <class E>
    static bool is(std::exception_ptr const& e) {
        try { std::rethrow_exception(e); } catch (E const&) { return true; } catch (...) { return false; }
    }
    struct data { std::string message; std::vector<std::exception_ptr> errors; std::string text; };
    std::shared_ptr<data const> data_;
};

}  // namespace weft

#endif
