// SPDX-License-Identifier: BSL-1.0
#include <weft/core/errors.hpp>

#include "core/kernel.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace weft::detail {

std::string message(char const* code, std::string const& what, std::string const& because, std::string const& help) {
    std::string s = std::string("error[") + code + "]: " + what;
    if (!because.empty()) s += "\n  because: " + because;
    if (!help.empty()) s += "\n  help: " + help;
    return s + "\n";
}

std::string in_task() {
    task_record* t = this_kernel ? this_kernel->current() : nullptr;
    return t ? ", in task #" + std::to_string(t->id_) + " \"" + std::string(t->name_.get()) + "\"" : std::string();
}

std::string place_text(source_place const& place) {
    char const* file = place.file();
    if (char const* slash = std::strrchr(file, '/')) file = slash + 1;
    return place.line() == 0 ? std::string(file) : std::string(file) + ":" + std::to_string(place.line());
}

std::string nursery_name(nursery_record const& n) {
    std::string const& name = n.state->name();
    if (name.empty()) return place_text(n.place);
    return n.place.line() == 0 ? "\"" + name + "\"" : "\"" + name + "\" (" + place_text(n.place) + ")";
}

void throw_misuse(char const* what, char const* help) { throw misuse_error(message("W001", what + in_task(), "", help)); }

void throw_outside(char const* call) {
    if (this_kernel) {
        throw wrong_domain_error(message("W010", std::string(call) + " was called in a callback",
            "callbacks run on the loop's own stack; one that blocks would stop the loop and every task.",
            "start a task from the callback with weft::spawn, and block there."));
    }
    throw not_running_error(message("W011", std::string(call) + " was called outside of a run",
        "there is no runtime on this thread, so nothing could wake the caller.",
        "call it from inside weft::run([]{ … })."));
}

std::exception_ptr caught_error() noexcept {
    if (std::exception_ptr e = std::current_exception()) return e;
    std::fprintf(stderr, "fatal[W112]: pthread_exit or pthread_cancel%s\n"
                         "  because: it unwinds the thread, which is that of all the run's tasks; no C++ exception is thrown.\n"
                         "  help: return from the task, or throw, to end it; cancel its scope, or request its stop, to end another. A thread of its own is weft::to_thread's.\n",
                 in_task().c_str());
    std::abort();
}

void assertion_failed(char const* condition, char const* sentence, char const* file, int line) noexcept {
    std::fprintf(stderr, "fatal[W000]: %s%s\n  because: !(%s)  %s:%d\n  help: this is a defect in weft, or memory was overwritten; please report it.\n",
                 sentence, in_task().c_str(), condition, file, line);
    std::abort();
}

}  // namespace weft::detail
