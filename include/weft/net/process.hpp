// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_PROCESS_HPP
#define WEFT_NET_PROCESS_HPP

#include <weft/asio/use_fiber.hpp>
#include <weft/core/errors.hpp>
#include <weft/core/time.hpp>

#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/writable_pipe.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace weft {

/// Where a stream of a child process goes.
enum class process_stream : std::uint8_t {
    inherit,  ///< this process's own
    null,     ///< /dev/null
    pipe      ///< a pipe to this process
};

struct process_options {
    process_stream in{process_stream::inherit};
    process_stream out{process_stream::inherit};
    process_stream err{process_stream::inherit};
    std::filesystem::path directory{};                         ///< empty: this process's
    std::optional<std::vector<std::string>> environment{};     ///< "NAME=value"; absent: this process's
    duration grace{std::chrono::seconds(5)};                   ///< from TERM to KILL, when it has to go
};

/// How a process ended.
struct process_status {
    int exit_code{};  ///< 0 if a signal ended it
    int signal{};     ///< that ended it; 0 if it exited
    bool success() const noexcept { return exit_code == 0 && signal == 0; }
};

/// A process that did not succeed. `what()` names the command, how it ended, and the end of what it wrote to stderr, if captured.
class process_error : public error {
public:
    process_error(std::string what, process_status s) : error(std::move(what)), status_(s) {}
    process_status status() const noexcept { return status_; }

private:
    process_status status_;
};

/// A child process within a with_process block. Threads: the runtime's own.
class process {
public:
    int pid() const noexcept;
    /// The pipes that were asked for; misuse_error for others. Close in() to let the child see the end of its input.
    boost::asio::writable_pipe& in();
    boost::asio::readable_pipe& out();
    boost::asio::readable_pipe& err();

    /// Waits for its end. Blocks: always a checkpoint. Cancellation: the process goes on. Any number may wait, again and again.
    process_status wait();
    /// Sends a signal; nothing if it has ended. Throws: system_error.
    void signal(int number);
    void terminate() { signal(15); }  ///< asks it to end: SIGTERM
    void kill() { signal(9); }        ///< ends it: SIGKILL

    process(process const&) = delete;
    process(std::vector<std::string> const& command, process_options const& o);  ///< by with_process
    ~process();
    void finish(bool failed);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// Starts a program and calls body(process&); the program has ended, and was reaped, when this returns.
///
///     weft::with_process({"sort", "-n"}, {.in = weft::process_stream::pipe, .out = weft::process_stream::pipe}, [&](weft::process& p) { … });
///
/// command[0] is searched in PATH unless it has a slash. The child has default signal dispositions, and of this process's descriptors
/// its three standard streams only. With a pipe for its stdin SIGPIPE is ignored in this process from then on, if it had its default
/// disposition: a write to a program that has ended is an error then.
/// Blocks:       after the body, until the program ends.
/// Cancellation: and an exception of the body: TERM, and KILL after the grace time, and then it is awaited, shielded. Its pipes are closed first.
/// Throws:       system_error if it cannot be started; misuse_error for an empty command; what body throws.    Source: Trio's run_process.
template <class F>
auto with_process(std::vector<std::string> const& command, process_options const& options, F&& body) -> std::invoke_result_t<F&, process&> {
    process p(command, options);
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&, process&>>) {
            body(p);
            p.finish(false);
        } else {
            auto result = body(p);
            p.finish(false);
            return result;
        }
    } catch (...) {
        p.finish(true);
        throw;
    }
}

struct run_process_options {
    std::string input{};                        ///< for its stdin; empty: it reads from /dev/null
    bool capture_output{true};                  ///< else inherited
    bool capture_error{true};
    std::size_t max_output{64 * 1024 * 1024};   ///< bytes of each stream that are kept; more end the process with an error
    bool check{true};                           ///< no success is a process_error
    std::filesystem::path directory{};
    std::optional<std::vector<std::string>> environment{};
    duration grace{std::chrono::seconds(5)};
};

struct completed_process {
    process_status status;
    std::string out, err;  ///< captured
};

/// Runs a program to its end.
///
///     std::string list = weft::run_process({"ls", "-l"}).out;
///
/// Blocks: until it has ended and its captured streams are closed. Cancellation, and throws, as with_process; also process_error.
completed_process run_process(std::vector<std::string> const& command, run_process_options const& options = {});

}  // namespace weft

#endif
