// SPDX-License-Identifier: BSL-1.0
#ifndef FLEET_PROCESS_HPP
#define FLEET_PROCESS_HPP

#include <cstddef>

namespace fleet {

/// The sockets this process has open, read from /proc/self/fd.
std::size_t open_sockets();
/// All its descriptors: cheap enough to be asked while the program is busy.
std::size_t open_descriptors();

/// Seconds that this process, since its start, was ready to run and had no processor. 0 where the kernel does not say.
double seconds_without_cpu();

/// Raises the soft limit of open descriptors to the hard one, and returns how many clients fit below it.
unsigned make_room_for(unsigned clients);

/// Keeps SIGINT and SIGTERM pending: at the program's beginning and end there is nobody to handle them.
void hold_signals(bool on);

}  // namespace fleet

#endif
