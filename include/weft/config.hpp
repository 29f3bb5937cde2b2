// SPDX-License-Identifier: BSL-1.0
// Every macro and build-time hook of weft, a paragraph each.
#ifndef WEFT_CONFIG_HPP
#define WEFT_CONFIG_HPP

/// The version, as major * 10000 + minor * 100 + patch.
#define WEFT_VERSION 100

/// Checks an invariant of weft itself, in release builds too: the state machines it guards are cheap to check and
/// expensive to debug. The sentence says what was broken. A failure prints it with its place and aborts.
#define WEFT_ASSERT(condition, sentence) \
    (__builtin_expect(static_cast<bool>(condition), 1) \
         ? static_cast<void>(0)                        \
         : ::weft::detail::assertion_failed(#condition, sentence, __FILE__, __LINE__))

/// `WEFT_ASAN` and `WEFT_TSAN` are 1 when the including file is built with AddressSanitizer or ThreadSanitizer: the
/// switch hook then tells the sanitizer about every change of stack. `WEFT_TSAN_RUNTIME` is set by the build for the
/// one file that is compiled without instrumentation although the program runs under ThreadSanitizer.
#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#ifndef WEFT_ASAN
#define WEFT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || defined(WEFT_TSAN_RUNTIME)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif
#ifndef WEFT_TSAN
#define WEFT_TSAN 0
#endif

/// Marks a function that must not be inlined: into a caller whose stack frame has to stay small, as tasks block deep in their first stack page
/// and a second page costs 4 KB for each of them; or because its frame is to be told from its caller's by what looks ahead for noexcept frames
/// (the blocks of scopes and nurseries, which catch and throw again).
#define WEFT_NOINLINE __attribute__((noinline))
#define WEFT_COLD __attribute__((noinline, cold))

namespace weft::detail {
[[noreturn]] void assertion_failed(char const* condition, char const* sentence, char const* file, int line) noexcept;
}

#endif
