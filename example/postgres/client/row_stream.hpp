// SPDX-License-Identifier: BSL-1.0
#ifndef EXAMPLE_POSTGRES_CLIENT_ROW_STREAM_HPP
#define EXAMPLE_POSTGRES_CLIENT_ROW_STREAM_HPP

#include "postgres/client/session.hpp"

#include <iterator>
#include <optional>

namespace postgres {

/// The rows of a query one by one (libpq's single-row mode), as an input range: memory for one row at a time.
///
///     for (postgres::row r : c.stream("SELECT * FROM log ORDER BY at")) { if (enough(r)) break; }
///
/// A stream that is left early, in whatever way, stops its query on the server in its destructor, which waits for that, shielded, at most
/// cleanup_limit.
class row_stream {
public:
    class iterator;
    explicit row_stream(operation o) : operation_(std::move(o)) {}

    /// Blocks: each step. Cancellation: no row is lost; a later loop goes on. Throws: as connection::query, where the error comes.
    iterator begin();
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    bool step();
    std::optional<operation> operation_;  // until the end
    result_ptr current_;
};

class row_stream::iterator {
public:
    using value_type = row;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    row operator*() const noexcept { return {from_->current_.get(), 0}; }
    iterator& operator++() { more_ = from_->step(); return *this; }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return !i.more_; }

private:
    friend class row_stream;
    explicit iterator(row_stream& s) : from_(&s), more_(s.step()) {}
    row_stream* from_;
    bool more_;
};
inline row_stream::iterator row_stream::begin() { return iterator(*this); }

}  // namespace postgres

#endif
