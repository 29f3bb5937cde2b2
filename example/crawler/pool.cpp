// SPDX-License-Identifier: BSL-1.0
#include "pool.hpp"

#include <weft/net/connect.hpp>

namespace crawler {

connection& connection_pool::place::open() {
    if (connection_) return *connection_;
    if (!pool_.idle_.empty()) {
        connection_ = std::move(pool_.idle_.back());
        pool_.idle_.pop_back();
    } else {
        connection_ = std::make_unique<connection>(connection{weft::connect_tcp(pool_.host_, pool_.port_), {}, false});
        ++pool_.opened_;
    }
    return *connection_;
}

void connection_pool::place::keep() {
    connection_->used = true;
    pool_.idle_.push_back(std::move(connection_));
}

}  // namespace crawler
