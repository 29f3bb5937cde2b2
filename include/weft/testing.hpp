// SPDX-License-Identifier: BSL-1.0
// Tools for tests of programs on weft, and of weft itself.
#ifndef WEFT_TESTING_HPP
#define WEFT_TESTING_HPP

#include <weft/testing/cancel_everywhere.hpp>
#include <weft/testing/checkpoints.hpp>
#include <weft/testing/explore.hpp>
#include <weft/testing/ledger.hpp>
#include <weft/testing/mock_clock.hpp>
#include <weft/testing/sequencer.hpp>
#include <weft/testing/virtual_driver.hpp>
#include <weft/testing/wait_all_tasks_blocked.hpp>

#endif
