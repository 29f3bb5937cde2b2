// SPDX-License-Identifier: BSL-1.0
// Random programs of senders, receivers, selects and cancellations, in random schedules: channels lose and double nothing.
#include "fixture.hpp"
#include "sync/channel_program.hpp"

#include <csignal>
#include <cstdlib>
#include <unistd.h>

using namespace weft_test;

namespace {

using weft::detail::no_lock;
using weft::detail::spin_lock;

/// Draws every choice of the scheduler.
struct dice_oracle final : weft::oracle {
    explicit dice_oracle(std::uint64_t seed) : draw(seed, 99) {}
    std::size_t choose(weft::choice, std::size_t alternatives) noexcept override { return draw(alternatives); }
    dice draw;
};

/// Says how to replay the present program if the process dies of it: by a failed assertion, or killed because it hangs.
class last_words {
public:
    last_words() { for (int i : {0, 1}) old_[i] = std::signal(signals[i], say); }
    ~last_words() { for (int i : {0, 1}) std::signal(signals[i], old_[i]); }
    last_words(last_words const&) = delete;
    void now(std::uint64_t seed) { length = static_cast<std::size_t>(std::snprintf(text, sizeof text, "\nreplay with: WEFT_SEED=%llu\n", static_cast<unsigned long long>(seed))); }

private:
    static void say(int signal) {
        [[maybe_unused]] auto written = ::write(2, text, length);
        if (signal == SIGTERM) ::_exit(1);
    }
    static constexpr int signals[] = {SIGABRT, SIGTERM};
    static inline char text[64];
    static inline std::size_t length{};
    void (*old_[2])(int);
};

struct outcome {
    std::string complaints;
    std::uint64_t trace{};
    tally seen;
};

template <class L, bool Boxed>
outcome run_with(std::uint64_t seed, bool verbose) {
    item_ledger books;
    channel_program<L, Boxed> p(seed, books, verbose);
    weft::testing::mock_clock clock;
    dice_oracle oracle(seed);
    weft::run_options o;
    o.clock = &clock;
    o.seed = seed;
    o.make_driver = weft::testing::make_virtual_driver;
    if (seed % 4 != 0) o.oracle = &oracle;
    try {
        weft::run(o, [&] { p(); });
    } catch (std::exception const& x) {
        books.complain(x.what());
    }
    for (item_entry const& e : books.entries()) {
        if (e.sent) ++p.seen.sent;
        ++(e.received ? p.seen.received : e.discarded ? p.seen.discarded : p.seen.kept);
    }
    return {books.check(), p.trace, p.seen};
}

/// The seed is the program, its schedule, and the kind of channel.
outcome run_program(std::uint64_t seed, bool verbose = false) {
    switch (seed % 3) {
        case 0: return run_with<no_lock, false>(seed, verbose);
        case 1: return run_with<spin_lock, false>(seed, verbose);
        default: return run_with<no_lock, true>(seed, verbose);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(item_ledger_)

// rules 11, 92 to 97, 99, 144
BOOST_AUTO_TEST_CASE(random_programs_lose_and_double_nothing_and_keep_the_order) {
    if (char const* seed = std::getenv("WEFT_SEED")) {
        BOOST_TEST(run_program(std::strtoull(seed, nullptr, 10), true).complaints == "");
        return;
    }
    constexpr std::uint64_t programs = WEFT_TSAN ? 1'000 : 10'000;  // one thread: that one learns nothing here but the order of spin locks
    tally all;
    last_words words;
    for (std::uint64_t seed = 1; seed <= programs; ++seed) {
        words.now(seed);
        outcome r = run_program(seed);
        BOOST_REQUIRE_MESSAGE(r.complaints.empty(), r.complaints << "\nreplay with: WEFT_SEED=" << seed);
        all += r.seen;
    }
    BOOST_TEST_MESSAGE(programs << " programs: " << all.describe());
    BOOST_TEST(all.sent == all.received + all.discarded);
    BOOST_TEST(all.least() > programs / 10);  // the programs do all that they could
}

BOOST_AUTO_TEST_CASE(a_seed_is_one_program_in_one_schedule) {
    for (std::uint64_t seed = 20'000; seed < 20'060; ++seed) BOOST_TEST(run_program(seed).trace == run_program(seed).trace);
}

using item = basic_item<false>;

BOOST_AUTO_TEST_CASE(the_ledger_notices_what_it_is_for) {
    auto says = [](char const* expected, auto story) {
        item_ledger books;
        story(books);
        std::string found = books.check();
        BOOST_TEST((*expected ? found.find(expected) != std::string::npos : found.empty()), "expected \"" << expected << "\", found \"" << found << "\"");
    };
    auto send = [](item_ledger& b, item_entry& e, bool done = true) { item i(e); b.offers(e, 0); item gone(std::move(i)); b.after_send(e, i, done); return gone; };
    auto receive = [](item_ledger& b, item const& i) { b.receives(i, 0, 1, b.tick()); };
    says("", [&](item_ledger& b) { receive(b, send(b, b.make(0))); });
    says("", [&](item_ledger& b) { item i(b.make(0)); });
    says("", [&](item_ledger& b) { item i = send(b, b.make(0)); discarding d; item gone(std::move(i)); });
    says("lost", [&](item_ledger& b) { send(b, b.make(0)); });
    says("destroyed 0 times", [&](item_ledger& b) { b.make(0); });
    says("destroyed 2 times", [&](item_ledger& b) { item_entry& e = b.make(0); item i(e), copy(e); });
    says("received twice", [&](item_ledger& b) { item i = send(b, b.make(0)); receive(b, i); receive(b, i); });
    says("an empty item", [&](item_ledger& b) { receive(b, item()); });
    says("has no longer", [&](item_ledger& b) { receive(b, send(b, b.make(0), false)); });
    says("had an effect", [&](item_ledger& b) { receive(b, send(b, b.make(0), false)); });
    says("still has", [&](item_ledger& b) { item i(b.make(0)); b.offers(*i.entry(), 0); b.after_send(*i.entry(), i, true); });
    says("came out of channel", [&](item_ledger& b) { item i = send(b, b.make(0)); b.receives(i, 1, 1, b.tick()); });
    says("overtaken", [&](item_ledger& b) { item i = send(b, b.make(0)), j = send(b, b.make(0)); receive(b, j); receive(b, i); });
    says("overtaken", [&](item_ledger& b) { item i = send(b, b.make(0)), j = send(b, b.make(0)); receive(b, j); discarding d; item gone(std::move(i)); });
}

BOOST_AUTO_TEST_SUITE_END()
