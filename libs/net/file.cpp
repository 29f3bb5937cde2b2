// SPDX-License-Identifier: BSL-1.0
#include <weft/net/file.hpp>

#include <weft/core/checkpoint.hpp>
#include <weft/core/errors.hpp>
#include <weft/task/cancel_scope.hpp>
#include <weft/threads/to_thread.hpp>

#include "net/uninterrupted.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace weft {
namespace {

[[noreturn]] void fail(char const* call, std::filesystem::path const& path) {
    int e = errno;
    throw std::system_error(e, std::system_category(), std::string("weft::file: ") + call + " \"" + path.string() + "\"");
}

template <class F>
auto on_thread(F&& f) { return to_thread(std::forward<F>(f), {.name = "file"}); }

template <class F>
void write_all(boost::asio::const_buffer from, F put, std::filesystem::path const& path) {
    auto const* p = static_cast<char const*>(from.data());
    for (std::size_t left = from.size(); left > 0;) {
        ssize_t n = detail::uninterrupted([&] { return put(p, left); });
        if (n < 0) fail("write", path);
        p += n;
        left -= static_cast<std::size_t>(n);
    }
}

}  // namespace

file::~file() { if (fd_ >= 0) ::close(fd_); }

int file::use(char const* call) const {
    if (fd_ < 0) detail::throw_misuse((std::string("file::") + call + " on a file that is not open").c_str(), "open it with file::open; a closed or moved-from one is empty.");
    return fd_;
}

file file::open(std::filesystem::path path, file_mode mode, unsigned permissions) {
    int flags = O_CLOEXEC;
    switch (mode) {
        case file_mode::read: flags |= O_RDONLY; break;
        case file_mode::write: flags |= O_WRONLY | O_CREAT | O_TRUNC; break;
        case file_mode::append: flags |= O_WRONLY | O_CREAT | O_APPEND; break;
        case file_mode::read_write: flags |= O_RDWR | O_CREAT; break;
        case file_mode::create: flags |= O_WRONLY | O_CREAT | O_EXCL; break;
    }
    file f;
    f.fd_ = on_thread([&] {
        int fd = static_cast<int>(detail::uninterrupted([&] { return ::open(path.c_str(), flags, permissions); }));
        if (fd < 0) fail("open", path);
        return fd;
    });
    f.path_ = std::move(path);
    return f;
}

std::size_t file::read_some(boost::asio::mutable_buffer to) {
    int fd = use("read_some");
    return on_thread([&] {
        ssize_t n = detail::uninterrupted([&] { return ::read(fd, to.data(), to.size()); });
        if (n < 0) fail("read", path_);
        return static_cast<std::size_t>(n);
    });
}

std::string file::read(std::size_t bytes) {
    int fd = use("read");
    return on_thread([&] {
        std::string s;
        while (s.size() < bytes) {
            std::size_t before = s.size();
            s.resize(before + (std::min)(bytes - before, std::size_t{1} << 20));  // what is asked for need not be there
            ssize_t n = detail::uninterrupted([&] { return ::read(fd, s.data() + before, s.size() - before); });
            if (n < 0) fail("read", path_);
            s.resize(before + static_cast<std::size_t>(n));
            if (n == 0) break;
        }
        return s;
    });
}

std::string file::read_all() { return read(static_cast<std::size_t>(-1)); }

void file::write(boost::asio::const_buffer from) {
    int fd = use("write");
    on_thread([&] { write_all(from, [fd](char const* p, std::size_t n) { return ::write(fd, p, n); }, path_); });
}

std::size_t file::read_some_at(std::uint64_t offset, boost::asio::mutable_buffer to) {
    int fd = use("read_some_at");
    return on_thread([&] {
        ssize_t n = detail::uninterrupted([&] { return ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset)); });
        if (n < 0) fail("read", path_);
        return static_cast<std::size_t>(n);
    });
}

void file::write_at(std::uint64_t offset, boost::asio::const_buffer from) {
    int fd = use("write_at");
    auto const* start = static_cast<char const*>(from.data());
    on_thread([&] { write_all(from, [=](char const* p, std::size_t n) { return ::pwrite(fd, p, n, static_cast<off_t>(offset) + (p - start)); }, path_); });
}

std::uint64_t file::size() {
    int fd = use("size");
    return on_thread([&] {
        struct stat s{};
        if (::fstat(fd, &s) != 0) fail("size", path_);
        return static_cast<std::uint64_t>(s.st_size);
    });
}

void file::resize(std::uint64_t bytes) {
    int fd = use("resize");
    on_thread([&] { if (detail::uninterrupted([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) != 0) fail("resize", path_); });
}

void file::seek(std::uint64_t offset) { if (::lseek(use("seek"), static_cast<off_t>(offset), SEEK_SET) < 0) fail("seek", path_); }

std::uint64_t file::position() {
    off_t at = ::lseek(use("position"), 0, SEEK_CUR);
    if (at < 0) fail("position", path_);
    return static_cast<std::uint64_t>(at);
}

void file::sync() {
    int fd = use("sync");
    on_thread([&] { if (detail::uninterrupted([&] { return ::fsync(fd); }) != 0) fail("sync", path_); });
}

void file::close() {
    if (fd_ >= 0) {
        int fd = std::exchange(fd_, -1);
        cancel_scope s;
        s.set_shield(true);
        s.run([&] { on_thread([&] { if (::close(fd) != 0 && errno != EINTR) fail("close", path_); }); });  // Linux has let go of it also after EINTR
    }
    check_cancelled();
}

std::string read_file(std::filesystem::path const& path) {
    return on_thread([&] {
        struct opened { int fd; ~opened() { if (fd >= 0) ::close(fd); } } f{static_cast<int>(detail::uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }))};
        if (f.fd < 0) fail("open", path);
        std::string s;
        char buffer[64 * 1024];
        for (;;) {
            ssize_t n = detail::uninterrupted([&] { return ::read(f.fd, buffer, sizeof buffer); });
            if (n < 0) fail("read", path);
            if (n == 0) return s;
            s.append(buffer, static_cast<std::size_t>(n));
        }
    });
}

void write_file(std::filesystem::path const& path, std::string_view text) {
    on_thread([&] {
        std::string temporary = path.string() + ".XXXXXX";
        struct opened {
            std::string& name;
            int fd;
            bool kept{};
            ~opened() { if (fd >= 0) ::close(fd); if (!kept && fd >= 0) ::unlink(name.c_str()); }
        } f{temporary, ::mkostemp(temporary.data(), O_CLOEXEC)};
        if (f.fd < 0) fail("make a file beside", path);
        struct stat former{};
        mode_t mode = 0644;
        if (::stat(path.c_str(), &former) == 0) mode = former.st_mode & 07777;
        write_all(boost::asio::buffer(text.data(), text.size()), [&](char const* p, std::size_t n) { return ::write(f.fd, p, n); }, path);
        if (::fchmod(f.fd, mode) != 0 || ::fsync(f.fd) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path);
        f.kept = true;
    });
}

}  // namespace weft
