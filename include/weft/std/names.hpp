// SPDX-License-Identifier: BSL-1.0
// What needs no twin of weft's own: std's lock classes and algorithms work on any lockable type, and std's status and error
// types are what code compares with.
#ifndef WEFT_STD_NAMES_HPP
#define WEFT_STD_NAMES_HPP

#include <condition_variable>
#include <future>
#include <mutex>
#include <shared_mutex>

namespace weft {

using std::lock_guard;
using std::scoped_lock;
using std::shared_lock;
using std::unique_lock;

using std::lock;
using std::try_lock;

using std::adopt_lock;
using std::adopt_lock_t;
using std::defer_lock;
using std::defer_lock_t;
using std::try_to_lock;
using std::try_to_lock_t;

using std::cv_status;
using std::future_category;
using std::future_errc;
using std::future_error;
using std::future_status;
using std::launch;
using std::make_error_code;       // of future_errc
using std::make_error_condition;

}  // namespace weft

#endif
