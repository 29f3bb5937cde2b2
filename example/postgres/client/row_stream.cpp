// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/row_stream.hpp"

#include <libpq-fe.h>

namespace postgres {

bool row_stream::step() {
    if (!operation_) return false;
    result_ptr r = (*operation_)->next();
    if (r && PQresultStatus(r.get()) == PGRES_SINGLE_TUPLE) {
        current_ = std::move(r);
        return true;
    }
    current_.reset();
    if (r && PQresultStatus(r.get()) == PGRES_FATAL_ERROR) {
        error e = make_error(r.get(), (*operation_)->query());
        while ((*operation_)->next()) {}
        operation_.reset();
        throw e;
    }
    while (r) r = (*operation_)->next();  // the empty result that ends the rows, and the null behind it
    operation_.reset();
    return false;
}

}  // namespace postgres
