// SPDX-License-Identifier: BSL-1.0
#include <weft/core/cancelled.hpp>

namespace weft {

cancelled::~cancelled() = default;

std::string cancelled::message() const {
    std::string s = "cancelled: scope " + (info_->scope.empty() ? std::string("(unnamed)") : "\"" + info_->scope + "\"");
    switch (info_->source) {
        case cancel_source::explicit_call: s += " by cancel()"; break;
        case cancel_source::deadline: s += " by its deadline"; break;
        case cancel_source::child_failed: s += " because a child failed"; break;
        case cancel_source::nursery_ended: s += " because its nursery ended"; break;
        case cancel_source::run_ended: s += " because the run ended"; break;
        case cancel_source::deadlock: s += " because of a deadlock"; break;
    }
    if (info_->source_task != 0) s += " (task #" + std::to_string(info_->source_task) + " \"" + info_->source_name + "\")";
    if (!info_->reason.empty()) s += ": " + info_->reason;
    return s;
}

}  // namespace weft
