// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_STORE_HPP
#define BOARD_STORE_HPP

#include "limits.hpp"
#include "message.hpp"

#include <weft/sync/broadcast.hpp>
#include <weft/sync/watch.hpp>

#include <deque>

namespace board {

/// Text for a live socket, made once for all of them.
using frame = std::string;

/// The board: the last messages, who is there, and what is sent to those who are. One thread runs all tasks, so that between two
/// of its calls without a wait nothing happens: whoever subscribes and reads the history misses nothing and gets nothing twice.
class store {
public:
    explicit store(limits const& l);

    /// Keeps it, and sends it to all live sockets. Never waits: a socket that is too far behind loses the oldest, and knows it.
    /// Throws bad_draft.
    message const& post(draft d);
    /// The messages after that id, as much of them as is kept, as an array of JSON.
    std::string after(std::uint64_t id) const;
    /// {"board": …, "last": …, "messages": […]}. Ids count for one life of the server; `name` says which one.
    std::string history(std::uint64_t id) const;
    std::uint64_t last() const noexcept { return next_ - 1; }
    std::string const& name() const noexcept { return name_; }

    /// Frames from now on, until close().
    weft::broadcast_receiver<frame> subscribe() const { return out_.subscribe(); }
    /// Ends the subscriptions: each gets what it has not had, and then its end.
    void close() noexcept { out_.close(); }
    bool is_open() const noexcept { return out_.is_open(); }

    std::size_t people() const noexcept { return people_; }
    /// Somebody is there for as long as this lives.
    class present {
    public:
        explicit present(store& s) : store_(s) { store_.count_.send(++store_.people_); }
        ~present();
        present(present const&) = delete;
    private:
        store& store_;
    };
    /// Sends how many are there, when that has changed, but not more often than once in limits::presence. Runs until cancelled.
    void report_presence();

private:
    struct kept {
        message what;
        std::string json;
    };
    limits const& limits_;
    std::string name_;
    std::deque<kept> kept_;   ///< ids without gaps, the newest last
    std::uint64_t next_{1};
    std::size_t people_{};
    weft::broadcast_sender<frame> out_;
    weft::watch_sender<std::size_t> count_;
    weft::watch_receiver<std::size_t> seen_;
};

}  // namespace board

#endif
