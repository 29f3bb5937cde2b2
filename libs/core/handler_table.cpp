// SPDX-License-Identifier: BSL-1.0
#include "core/handler_table.hpp"

#include "core/dwarf_reader.hpp"

namespace weft::detail {

namespace {

struct table {
    std::uintptr_t landing_base{};
    std::uint8_t type_encoding{dwarf_reader::omitted};
    std::uint8_t const* types{};    ///< the end of the list of types, which is counted backwards
    std::uint8_t site_encoding{};
    std::uint8_t const* sites{};
    std::uint8_t const* actions{};  ///< also the end of the sites
};

table read(std::uintptr_t handlers, std::uintptr_t function) noexcept {
    table t;
    dwarf_reader in{reinterpret_cast<std::uint8_t const*>(handlers)};
    std::uint8_t encoding = in.raw<std::uint8_t>();
    t.landing_base = encoding == dwarf_reader::omitted ? function : in.pointer(encoding);
    t.type_encoding = in.raw<std::uint8_t>();
    if (t.type_encoding != dwarf_reader::omitted) {
        std::uint64_t offset = in.uleb();
        t.types = in.at + offset;
    }
    t.site_encoding = in.raw<std::uint8_t>();
    std::uint64_t size = in.uleb();
    t.sites = in.at;
    t.actions = in.at + size;
    return t;
}

// What the catch clause of a filter does with the exception. `cancelled` has no bases: its own type or any type.
meeting::kind offer(table const& t, std::int64_t filter, std::type_info const& thrown) noexcept {
    if (!t.types) return meeting::kind::catch_all;
    dwarf_reader in{t.types - static_cast<std::size_t>(filter) * dwarf_reader::size_of(t.type_encoding)};
    std::uintptr_t type = in.pointer(t.type_encoding);
    if (type == 0) return meeting::kind::catch_all;
    return *reinterpret_cast<std::type_info const*>(type) == thrown ? meeting::kind::handler : meeting::kind::passes;
}

// An exception specification, the list of types that it allows. C++20 has none but the empty one.
bool allows_nothing(table const& t, std::int64_t filter) noexcept {
    return t.types && t.types[-filter - 1] == 0;
}

// The chain of a site's actions: the first that takes the exception decides.
meeting::kind act(table const& t, std::uint64_t action, std::type_info const& thrown) noexcept {
    if (action == 0) return meeting::kind::cleanup;
    for (dwarf_reader in{t.actions + action - 1};;) {
        std::int64_t filter = in.sleb();
        auto const* here = in.at;
        std::int64_t next = in.sleb();
        if (filter == 0) return meeting::kind::cleanup;
        if (filter > 0) {
            if (meeting::kind k = offer(t, filter, thrown); k != meeting::kind::passes) return k;
        }
        if (filter < 0 && allows_nothing(t, filter)) return meeting::kind::terminates;
        if (next == 0) return meeting::kind::passes;
        in.at = here + next;
    }
}

}  // namespace

meeting meet(std::uintptr_t handlers, std::uintptr_t function, std::uintptr_t place, std::type_info const& thrown) noexcept {
    table t = read(handlers, function);
    std::uintptr_t offset = place - function;
    for (dwarf_reader in{t.sites}; in.at < t.actions;) {
        auto start = static_cast<std::uintptr_t>(in.value(t.site_encoding)), length = static_cast<std::uintptr_t>(in.value(t.site_encoding));
        auto pad = static_cast<std::uintptr_t>(in.value(t.site_encoding));
        std::uint64_t action = in.uleb();
        if (offset < start) break;
        if (offset >= start + length) continue;
        if (pad == 0) return {};
        return {act(t, action, thrown), t.landing_base + pad};
    }
    return {meeting::kind::terminates, 0};
}

}  // namespace weft::detail
