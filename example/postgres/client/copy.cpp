// SPDX-License-Identifier: BSL-1.0
#include "postgres/client/copy.hpp"

#include <libpq-fe.h>

namespace postgres {
namespace {

constexpr std::size_t flush_at = 64 * 1024;  // bytes: a system call for each row would cost more than the row

void escape(std::string& to, char const* text) {
    if (!text) { to += "\\N"; return; }
    for (; *text; ++text) {
        switch (*text) {
            case '\\': to += "\\\\"; break;
            case '\t': to += "\\t"; break;
            case '\n': to += "\\n"; break;
            case '\r': to += "\\r"; break;
            default: to += *text;
        }
    }
}

}  // namespace

void copy_writer::row(std::initializer_list<parameter> values) {
    std::string line;
    for (auto const& v : values) {
        if (!line.empty() || &v != values.begin()) line += '\t';
        escape(line, v.text());
    }
    line += '\n';
    write(line);
}

void copy_writer::write(std::string_view data) {
    while (!data.empty()) {
        std::string_view part = data.substr(0, flush_at);
        int sent = 0;
        while ((sent = PQputCopyData(operation_.raw(), part.data(), static_cast<int>(part.size()))) == 0) operation_->flush();
        if (sent < 0) refused();
        data.remove_prefix(part.size());
        if ((unflushed_ += part.size()) < flush_at) continue;
        operation_->flush();  // what the server has not taken must not pile up here
        unflushed_ = 0;
    }
}

std::uint64_t copy_writer::finish() {
    int sent = 0;
    while ((sent = PQputCopyEnd(operation_.raw(), nullptr)) == 0) operation_->flush();
    if (sent < 0) refused();
    operation_->flush();
    return operation_->collect().affected();
}

/// The server has ended the COPY before its end: with a row that it did not like, for example.
void copy_writer::refused() {
    operation_->collect();
    operation_->check_sent(0);
}

void copy_reader::free_data::operator()(char* p) const noexcept { PQfreemem(p); }

std::optional<std::string_view> copy_reader::next() {
    line_.reset();
    for (;;) {
        char* data = nullptr;
        int n = PQgetCopyData(operation_.raw(), &data, 1);
        line_.reset(data);
        if (n > 0) return std::string_view(data, static_cast<std::size_t>(n));
        if (n == 0) { operation_->wait_readable(); continue; }
        if (n == -2) operation_->check_sent(0);
        operation_->collect();  // how the query ended
        return std::nullopt;
    }
}

}  // namespace postgres
