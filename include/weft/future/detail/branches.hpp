// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_DETAIL_BRANCHES_HPP
#define WEFT_FUTURE_DETAIL_BRANCHES_HPP

#include <weft/task/nursery.hpp>

#include <concepts>
#include <functional>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace weft::detail {

/// What a branch's function, called as an lvalue, returns; with a value for void.
template <class F>
using branch_result = std::conditional_t<std::is_void_v<std::invoke_result_t<F&>>, std::monostate, std::invoke_result_t<F&>>;

template <class F>
branch_result<F> call_branch(F& f) {
    static_assert(!std::is_reference_v<std::invoke_result_t<F&>>, "a branch's result outlives it: return a value or a pointer, not a reference");
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) { std::invoke(f); return {}; }
    else return std::invoke(f);
}

template <class Range>
concept branch_range = std::ranges::input_range<Range> && std::invocable<std::remove_reference_t<std::ranges::range_reference_t<Range>>&>;

/// The functions of a range, which it keeps if it is a temporary: references to them if they stay where they are, else
/// their values.
template <branch_range Range>
class branch_list {
    using reference = std::ranges::range_reference_t<Range>;
    static constexpr bool in_place = std::is_lvalue_reference_v<reference> && std::ranges::forward_range<Range>;
    using held = std::conditional_t<in_place, std::remove_reference_t<reference>*, std::remove_cvref_t<reference>>;

public:
    using function = std::conditional_t<in_place, std::remove_reference_t<reference>, std::remove_cvref_t<reference>>;
    using result = branch_result<function>;

    explicit branch_list(Range&& range) : range_(std::forward<Range>(range)) {
        if constexpr (std::ranges::sized_range<Range>) list_.reserve(std::ranges::size(range_));
        for (auto&& f : range_) {
            if constexpr (in_place) list_.push_back(std::addressof(f));
            else list_.push_back(std::forward<decltype(f)>(f));
        }
    }
    branch_list(branch_list const&) = delete;
    std::size_t size() const noexcept { return list_.size(); }
    function& operator[](std::size_t i) noexcept {
        if constexpr (in_place) return *list_[i];
        else return list_[i];
    }

private:
    Range range_;  // a reference for an lvalue
    std::vector<held> list_;
};

}  // namespace weft::detail

#endif
