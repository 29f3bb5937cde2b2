// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_FUTURE_AS_COMPLETED_HPP
#define WEFT_FUTURE_AS_COMPLETED_HPP

#include <weft/future/detail/branches.hpp>
#include <weft/future/detail/completion.hpp>

#include <iterator>

namespace weft {

/// What as_completed returns: an input range of results. It is a nursery: keep it in one block, and go through it once.
template <class Range>
class completions {
    using list = detail::branch_list<Range>;

public:
    using value_type = typename list::result;

    class iterator {
    public:
        using value_type = completions::value_type;
        using difference_type = std::ptrdiff_t;
        iterator() = default;
        explicit iterator(completions& c) : c_(&c) { ++*this; }
        value_type& operator*() const { return *c_->results_[c_->core_.index()]; }
        value_type* operator->() const { return std::addressof(**this); }
        /// Waits for the next result.
        iterator& operator++() {
            if (!c_->core_.next()) c_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const noexcept { return !c_; }

    private:
        completions* c_{};
    };

    /// Used by as_completed.
    completions(Range&& range, source_place place) : functions_(std::forward<Range>(range)), results_(functions_.size()), core_(place) {
        for (std::size_t i = 0; i < functions_.size(); ++i) {
            core_.start(i, [this, i] { results_[i].emplace(detail::call_branch(functions_[i])); });
        }
    }
    completions(completions const&) = delete;

    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// Which function, counted in the range's order, returned the result that the iterator is at.
    std::size_t index() const noexcept { return core_.index(); }

    /// Leaves early: cancels and awaits the rest, and returns the results that came about but were not yielded, those of
    /// functions that were cancelled too late included. Blocks: until the rest has ended. Throws: exception_group of what the rest threw.
    std::vector<value_type> close() {
        std::vector<value_type> left;
        for (std::size_t i : core_.close()) left.push_back(std::move(*results_[i]));
        return left;
    }

private:
    list functions_;
    std::vector<std::optional<value_type>> results_;
    detail::completion core_;  // destroyed first: the branches use the others
};

/// Runs each function of a range as a child task, and yields what they return in the order in which they end.
///
///     for (auto& page : weft::as_completed(fetches)) { use(page); if (enough()) break; }
///
/// Each step of the loop waits for the next result. Leaving the loop early, in whatever way, cancels and awaits the rest;
/// results that were not yielded are lost then, unless close() fetches them. For void functions the range yields std::monostate.
///
/// Blocks:        each step is a checkpoint; the end of the range's life waits for the rest, which was cancelled.
/// Cancellation:  of a step: no result is lost that another step could not take; reaches the functions too.
/// Throws:        the step that meets a function's error, in its place in the order, cancels and awaits the rest, and throws an
///                exception_group of all errors. Errors of the rest when the loop is left early are thrown by the destructor; if the
///                loop is left by an exception, they fail the nursery around instead. cancelled; not_running_error;
///                wrong_domain_error.
/// Source:        asyncio.as_completed; differs in that it leaves nothing running.
template <detail::branch_range Range>
completions<Range> as_completed(Range&& range, source_place place = source_place::current()) {
    return completions<Range>(std::forward<Range>(range), place);
}

}  // namespace weft

#endif
