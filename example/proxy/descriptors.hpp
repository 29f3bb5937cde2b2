// SPDX-License-Identifier: BSL-1.0
#ifndef PROXY_DESCRIPTORS_HPP
#define PROXY_DESCRIPTORS_HPP

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <utility>

namespace proxy {

/// How many connections the limit of open descriptors has room for, once it was raised to what is allowed; at least one.
std::size_t connections_with_descriptors();

/// Whether an error means that this process, or the machine, can have no further socket now.
bool of_capacity(boost::system::error_code const& e);

/// A descriptor that is open for nothing but to be closed when another one is needed.
class spare_descriptor {
public:
    spare_descriptor() = default;
    explicit spare_descriptor(boost::system::error_code& ec);
    spare_descriptor(spare_descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    spare_descriptor& operator=(spare_descriptor&&) = delete;
    ~spare_descriptor() { give_up(); }
    void give_up() noexcept;

private:
    int fd_{-1};
};

}  // namespace proxy

#endif
