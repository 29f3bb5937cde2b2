// SPDX-License-Identifier: BSL-1.0
#include "std/clauses/clauses.hpp"

BOOST_AUTO_TEST_SUITE(on_std)
ON_STD
#include "std/clauses/future.hpp"
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(on_weft)
ON_WEFT
#include "std/clauses/future.hpp"
BOOST_AUTO_TEST_SUITE_END()
