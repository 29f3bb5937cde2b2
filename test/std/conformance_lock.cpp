// SPDX-License-Identifier: BSL-1.0
#include "std/clauses/clauses.hpp"

[[maybe_unused]] static constinit weft::counting_semaphore<7> constant_semaphore(3);  // not so in libstdc++ 12

BOOST_AUTO_TEST_SUITE(on_std)
ON_STD
#include "std/clauses/condition.hpp"
#include "std/clauses/coordination.hpp"
#include "std/clauses/mutex.hpp"
BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(on_weft)
ON_WEFT
#include "std/clauses/condition.hpp"
#include "std/clauses/coordination.hpp"
#include "std/clauses/mutex.hpp"
BOOST_AUTO_TEST_SUITE_END()
