// SPDX-License-Identifier: BSL-1.0
#ifndef WEFT_NET_FILE_HPP
#define WEFT_NET_FILE_HPP

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class file_mode : std::uint8_t {
    read,        ///< must exist
    write,       ///< made, or emptied
    append,      ///< made if absent; every write goes to the end
    read_write,  ///< made if absent
    create       ///< for writing; must not exist
};

/// A file whose operations do not block the other tasks: they run on helper threads, as to_thread's.
///
///     weft::file f = weft::file::open("log.txt", weft::file_mode::append);
///     f.write("started\n");
///
/// Blocks:       every operation but those marked; always a checkpoint.
/// Cancellation: raised before an operation starts; one that has started is awaited, and its result stands.
/// Throws:       std::system_error with the path; misuse_error on a file that is not open; busy_resource_error never: tasks take turns
///               by themselves, or use the forms with an offset, of which any number may run at once.
/// Source:       Trio's open_file.    Instead: for many small operations, one to_thread around them all.
class file {
public:
    file() = default;  ///< not open
    file(file&& o) noexcept : fd_(std::exchange(o.fd_, -1)), path_(std::move(o.path_)) {}
    file& operator=(file&& o) noexcept { std::swap(fd_, o.fd_); std::swap(path_, o.path_); return *this; }
    /// Closes, here and now; errors that the kernel tells only then are lost: see close().
    ~file();

    static file open(std::filesystem::path path, file_mode mode = file_mode::read, unsigned permissions = 0666);

    /// At least one byte, at the file's position; 0 at its end.
    std::size_t read_some(boost::asio::mutable_buffer to);
    /// At most so many bytes; fewer at the end.
    std::string read(std::size_t bytes);
    std::string read_all();
    /// All of it.
    void write(boost::asio::const_buffer from);
    void write(std::string_view text) { write(boost::asio::buffer(text.data(), text.size())); }
    std::size_t read_some_at(std::uint64_t offset, boost::asio::mutable_buffer to);
    void write_at(std::uint64_t offset, boost::asio::const_buffer from);

    std::uint64_t size();
    void resize(std::uint64_t bytes);
    /// Sets the position, from the start. Never blocks.
    void seek(std::uint64_t offset);
    std::uint64_t position();  ///< Never blocks.
    /// What was written is on the disk when this returns.
    void sync();
    /// Releases the file in any case, also when it is cancelled, and then raises (rule 121). Again: nothing.
    void close();

    bool is_open() const noexcept { return fd_ >= 0; }
    int native_handle() const noexcept { return fd_; }
    std::filesystem::path const& path() const noexcept { return path_; }

private:
    int use(char const* call) const;
    int fd_{-1};
    std::filesystem::path path_;
};

/// A whole file. Blocks, is cancelled, throws as weft::file.
std::string read_file(std::filesystem::path const& path);
/// Makes or replaces a whole file: others see the former content or the new one, never a part (it is renamed into its place). If it is
/// cancelled or fails, the former content stays.
void write_file(std::filesystem::path const& path, std::string_view text);

}  // namespace weft

#endif
