// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_TESTING_VIRTUAL_DRIVER_HPP
#define WEFT_TESTING_VIRTUAL_DRIVER_HPP

#include <weft/core/driver.hpp>

#include <memory>

namespace weft::testing {

/// A driver without any I/O: no descriptors, no io_context (get_executor throws). For run_options::make_driver in tests
/// of pure scheduling; a run costs microseconds.
std::unique_ptr<driver> make_virtual_driver();

}  // namespace weft::testing

#endif
