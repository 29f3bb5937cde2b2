// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_CORE_CANCELLED_HPP
#define WEFT_CORE_CANCELLED_HPP

#include <weft/core/time.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

/// Who asked for a cancellation.
enum class cancel_source : std::uint8_t {
    explicit_call,  ///< `cancel()` on the scope, its nursery or a handle
    deadline,       ///< the scope's deadline passed
    child_failed,   ///< a child of the scope's nursery, or its body, ended with an error
    nursery_ended,  ///< a service child, after the body and the ordinary children have ended
    run_ended,      ///< the main task returned, or a callback or system task failed
    deadlock        ///< nothing could ever have woken the tasks
};

/// Why a scope was cancelled. Made once, when it is cancelled; shared by every `cancelled` that it causes.
struct cancel_info {
    cancel_source source{cancel_source::explicit_call};
    std::string reason;           ///< the text given to cancel(), or one that weft made; never changed by a later cancel
    std::string scope;            ///< name or place of the scope that was cancelled
    std::uint64_t source_task{};  ///< id of the task that asked, or of the child that failed; 0 for a callback or a deadline
    std::string source_name;      ///< that task's name
    time_point deadline{never};   ///< which deadline fired, for cancel_source::deadline
};

namespace detail { struct cancelled_access; }

/// Raised by every cancellation point inside a cancelled scope, until control has left the scope.
///
/// It is no `std::exception`, so `catch (std::exception const&)` does not eat it; only weft makes one, and only the
/// scope that was cancelled catches it. A `catch (...)` should rethrow; one that does not meets the same cancellation
/// again at the next cancellation point, and is counted in the dump.
class __attribute__((visibility("default"))) cancelled final {
public:
    cancelled(cancelled const&) noexcept = default;
    cancelled& operator=(cancelled const&) noexcept = default;
    ~cancelled();

    std::string_view reason() const noexcept { return info_->reason; }
    cancel_source source() const noexcept { return info_->source; }
    cancel_info const& info() const noexcept { return *info_; }
    /// One sentence: the scope, the source and the reason.
    std::string message() const;

private:
    friend struct detail::cancelled_access;
    explicit cancelled(std::shared_ptr<cancel_info const> info) noexcept : info_(std::move(info)) {}
    std::shared_ptr<cancel_info const> info_;
};

}  // namespace weft

#endif
