// SPDX-License-Identifier: BSL-1.0
#include <weft/inspect/dump.hpp>

#include "core/kernel.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <ostream>
#include <sstream>

namespace weft {
namespace detail {

/// Writes one run's tree. Walks the kernel's lists as they are: on the run's thread, nothing moves meanwhile.
class dumper {
public:
    dumper(kernel& k, std::ostream& os) : k_(k), os_(os), now_(k.now()) {}

    void write(bool stacks) {
        run_statistics s = k_.statistics();
        os_ << "runtime \"" << k_.name() << "\"  " << s.living << (s.living == 1 ? " task: " : " tasks: ") << s.ready << " ready, "
            << s.running << " running, " << s.parked << " waiting";
        if (s.foreign) os_ << ", " << s.foreign << " in Boost.Fiber";
        os_ << "   up " << age(now_ - k_.started_at()) << "   seed " << s.seed << '\n';
        if (stacks) os_ << "stacks of " << s.stack_size / 1024 << " KiB, of which the deepest has used " << k_.fibers().stack_high_water() / 1024 << " KiB\n";
        if (state_access::cancelled(k_.root_state_)) os_ << "cancelled: " << k_.root_state_.reason() << '\n';
        children(k_.root_, "");
    }

private:
    static std::string age(duration d) {
        using namespace std::chrono;
        char text[40];
        auto us = duration_cast<microseconds>(d).count();
        if (us < 0) us = 0;
        if (us < 1000) std::snprintf(text, sizeof text, "%lld us", static_cast<long long>(us));
        else if (us < 1'000'000) std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(us) / 1e3);
        else if (us < 600'000'000) std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(us) / 1e6);
        else std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld", static_cast<long long>(us / 3'600'000'000),
                           static_cast<long long>(us / 60'000'000 % 60), static_cast<long long>(us / 1'000'000 % 60));
        return text;
    }

    std::string line(task_record const& t, bool with_age) const {
        std::ostringstream s;
        if (t.name_.get().empty()) {
            s << "task " << place_text(t.place_);
        } else {
            s << t.name_.get();
        }
        if (t.service_) s << " (service)";
        s << "  ";
        switch (t.state_) {
            case task_state::ready: s << (t.fiber_ ? "ready" : "ready, not started yet"); break;
            case task_state::running: s << "running"; break;
            case task_state::parked:
            case task_state::foreign: {
                s << "waiting  " << (t.reason_ ? t.reason_->what : "parked");
                if (t.reason_ && t.reason_->describe) s << ' ' << t.reason_->describe(t.reason_->object);
                if (with_age) s << "  " << age(now_ - t.since_);
                break;
            }
            case task_state::unused: s << "ended"; break;
        }
        if (state_access::effective(*t.scope_)) {
            s << "  cancelled" << (t.raised_ ? ", unwinding" : t.state_ == task_state::parked && !t.deliverable_ ? ", shielded by unwinding" : ", not yet seen");
        } else if (t.scope_->shield()) {
            s << "  shielded";
        }
        if (t.scope_->stop_requested()) s << "  stop requested";
        if (t.swallowed_) s << "  swallowed " << t.swallowed_ << " cancellations";
        return s.str();
    }

    void children(nursery_record const& n, std::string const& indent) {
        std::vector<task_record*> all;
        for (task_record* c = n.children; c; c = c->sibling_next_) all.push_back(c);
        std::reverse(all.begin(), all.end());  // in order of start
        // Childless siblings that say the same are one line with a count.
        std::map<std::string, std::size_t> count;
        for (task_record* c : all) if (!c->open_nurseries_) ++count[line(*c, false)];
        std::vector<task_record*> shown;
        std::map<std::string, bool> seen;
        for (task_record* c : all) {
            if (!c->open_nurseries_) {
                std::string l = line(*c, false);
                if (count[l] > 1) { if (seen[l]) continue; seen[l] = true; }
            }
            shown.push_back(c);
        }
        for (std::size_t i = 0; i < shown.size(); ++i) {
            task_record& t = *shown[i];
            bool last = i + 1 == shown.size();
            std::string const next = indent + (last ? "   " : "│  ");
            std::size_t same = t.open_nurseries_ ? 1 : count[line(t, false)];
            os_ << indent << (last ? "└─ " : "├─ ");
            if (same > 1) os_ << same << " × " << line(t, true) << '\n';
            else os_ << '#' << t.id_ << ' ' << line(t, true) << '\n';
            nurseries(t, next);
        }
    }

    void nurseries(task_record const& t, std::string const& indent) {
        std::vector<nursery_record*> open;
        for (nursery_record* n = t.open_nurseries_; n; n = n->next_open) open.push_back(n);
        std::reverse(open.begin(), open.end());  // outermost first
        std::string in = indent;
        for (nursery_record* n : open) {
            os_ << in << "└─ nursery " << nursery_name(*n);
            time_point d = state_access::deadline(*n->state);
            if (d != never) os_ << "  deadline in " << age(d - now_);
            if (!n->open) os_ << "  closed";
            if (n->holds) os_ << "  " << n->holds << " held";
            if (state_access::cancelled(*n->state)) os_ << "  cancelled: " << n->state->reason();
            if (!n->errors.empty()) os_ << "  " << n->errors.size() << (n->errors.size() == 1 ? " error" : " errors");
            os_ << '\n';
            children(*n, in + "   ");
            in += "   ";
        }
    }

    kernel& k_;
    std::ostream& os_;
    time_point now_;
};

std::string dump_tree(kernel& k) {
    std::ostringstream os;
    dumper(k, os).write(false);
    return os.str();
}

}  // namespace detail

void inspect::dump(std::ostream& os) {
    if (!detail::this_kernel) detail::throw_outside("inspect::dump");
    detail::dumper(*detail::this_kernel, os).write(true);
}

std::size_t inspect::stack_high_water() {
    if (!detail::this_kernel) detail::throw_outside("inspect::stack_high_water");
    return detail::this_kernel->fibers().stack_high_water();
}

}  // namespace weft
