// SPDX-License-Identifier: BSL-1.0
#include <weft/task/exception_group.hpp>

#include <weft/core/driver.hpp>

#include <cxxabi.h>
#include <cstdlib>
#include <sstream>
#include <typeinfo>

namespace weft {
namespace {

std::string type_name(std::type_info const* t) {
    if (!t) return "unknown type";
    int status = 0;
    char* s = abi::__cxa_demangle(t->name(), nullptr, nullptr, &status);
    std::string name = status == 0 ? s : t->name();
    std::free(s);
    return name;
}

// The group inside, or null. Groups are examined by pointer, so that their depth costs a loop and not a stack.
exception_group const* as_group(std::exception_ptr const& e, exception_group const*& out) {
    out = nullptr;
    try { std::rethrow_exception(e); }
    catch (exception_group const& g) { out = &g; }  // stays alive: `e` holds it
    catch (...) {}
    return out;
}

void describe(std::ostream& os, std::vector<std::exception_ptr> const& errors, std::string const& indent) {
    for (std::size_t i = 0; i < errors.size(); ++i) {
        bool last = i + 1 == errors.size();
        std::string head, body;
        exception_group const* group = nullptr;
        try { std::rethrow_exception(errors[i]); }
        catch (exception_group const& g) { group = &g; head = g.message(); }
        catch (std::exception const& x) { head = type_name(abi::__cxa_current_exception_type()) + ": " + x.what(); }
        catch (cancelled const& c) { head = c.message(); }
        catch (...) { head = type_name(abi::__cxa_current_exception_type()); }
        std::string const next = indent + (last ? "   " : "│  ");
        os << '\n' << indent << (last ? "└─ " : "├─ ");
        for (char const& c : head) {  // further lines of a message stay inside the tree
            if (c == '\n') { if (&c != &head.back()) os << '\n' << next; }
            else os << c;
        }
        if (group) describe(os, group->exceptions(), next);
    }
}

}  // namespace

exception_group::exception_group(std::string message, std::vector<std::exception_ptr> errors) {
    if (errors.empty()) detail::throw_misuse("an exception_group was made of no errors", "pass at least one.");
    for (auto const& e : errors) if (!e) detail::throw_misuse("an exception_group was made with a null exception_ptr", "pass std::current_exception() inside a catch block.");
    auto d = std::make_shared<data>();
    std::ostringstream os;
    os << message << " (" << errors.size() << (errors.size() == 1 ? " error)" : " errors)");
    describe(os, errors, "");
    d->text = os.str();
    d->message = std::move(message);
    d->errors = std::move(errors);
    data_ = std::move(d);
}

void exception_group::for_each_leaf(std::function<void(std::exception_ptr const&)> const& f) const {
    std::vector<std::exception_ptr> todo(exceptions().rbegin(), exceptions().rend());
    while (!todo.empty()) {
        std::exception_ptr e = std::move(todo.back());
        todo.pop_back();
        exception_group const* g;
        if (as_group(e, g)) todo.insert(todo.end(), g->exceptions().rbegin(), g->exceptions().rend());
        else f(e);
    }
}

std::size_t exception_group::leaf_count() const noexcept {
    std::size_t n = 0;
    for_each_leaf([&](std::exception_ptr const&) { ++n; });
    return n;
}

exception_group::halves exception_group::split_if(std::function<bool(std::exception_ptr const&)> const& matches) const {
    std::vector<std::exception_ptr> yes, no;
    for (auto const& e : exceptions()) {
        exception_group const* g;
        if (!as_group(e, g)) { (matches(e) ? yes : no).push_back(e); continue; }
        auto [a, b] = g->split_if(matches);
        if (a && !b) yes.push_back(e);
        else if (b && !a) no.push_back(e);
        else { yes.push_back(std::make_exception_ptr(*a)); no.push_back(std::make_exception_ptr(*b)); }
    }
    halves h;
    if (!yes.empty()) h.first.emplace(message(), std::move(yes));
    if (!no.empty()) h.second.emplace(message(), std::move(no));
    return h;
}

namespace detail {

void throw_group(std::string what, std::vector<std::exception_ptr> errors) { throw exception_group(std::move(what), std::move(errors)); }

std::exception_ptr single_leaf(std::exception_ptr e) {
    for (;;) {
        exception_group const* g;
        if (!as_group(e, g) || g->exceptions().size() != 1) return e;
        e = std::exception_ptr(g->exceptions().front());
    }
}

}  // namespace detail
}  // namespace weft
