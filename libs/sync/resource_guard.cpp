// SPDX-License-Identifier: BSL-1.0
#include <weft/sync/resource_guard.hpp>

#include "core/kernel.hpp"

namespace weft {

namespace {

constexpr std::uint64_t task_bits = (std::uint64_t{1} << 40) - 1;

std::string who(std::uint64_t id, detail::task_record const* record) {
    if (id >> 63) return id == detail::owner_tag ? "this thread" : "another thread";
    if ((id & task_bits) == 0) return "a callback";
    std::string s = "task #" + std::to_string(id & task_bits);
    if ((id & ~task_bits) != detail::owner_tag) return s + " of another run";
    if (!record || record->id_ != (id & task_bits) || record->state_ == detail::task_state::unused) return s + ", which has ended";
    return s + " \"" + std::string(record->name_.get()) + "\"";
}

}  // namespace

template <class L>
void basic_resource_guard<L>::throw_busy(std::uint64_t user) const {
    detail::lock_owner me = detail::self_owner();
    std::string second = me.id == user ? "it again" : who(me.id, me.record);
    throw busy_resource_error(detail::message("W076", std::string(resource_) + ": in use by " + who(user, record_.load(std::memory_order_relaxed)) + " when " + second + " began to use it", "",
                                              "let one task use it, or guard the uses with a mutex."));
}

template class basic_resource_guard<detail::no_lock>;
template class basic_resource_guard<detail::spin_lock>;

}  // namespace weft
