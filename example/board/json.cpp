// SPDX-License-Identifier: BSL-1.0
// The one file that includes Boost.JSON, as headers alone.
#include "message.hpp"

#include <boost/json/src.hpp>

namespace board {

namespace json = boost::json;

draft draft_from_json(std::string_view text) {
    boost::system::error_code ec;
    json::parse_options strict;
    strict.max_depth = 4;
    json::value v = json::parse(text, ec, {}, strict);
    if (ec) throw bad_draft("the JSON cannot be read: " + ec.message());
    auto* object = v.if_object();
    if (!object) throw bad_draft("the JSON is no object");
    auto field = [&](char const* name, bool needed) -> std::string {
        auto* f = object->if_contains(name);
        if (!f && !needed) return {};
        if (!f || !f->is_string()) throw bad_draft(std::string("the JSON has no string \"") + name + '"');
        return std::string(f->get_string());
    };
    return {field("name", false), field("text", true)};
}

std::string quoted(std::string_view text) { return json::serialize(json::string_view(text)); }

std::string to_json(message const& m) {
    return "{\"id\":" + std::to_string(m.id) + ",\"at\":" + std::to_string(m.at) + ",\"name\":" + quoted(m.name) + ",\"text\":" + quoted(m.text) + '}';
}

}  // namespace board
