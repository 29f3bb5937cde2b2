// SPDX-License-Identifier: BSL-1.0
#include "routes.hpp"

#include "page.hpp"
#include "target.hpp"

#include <boost/beast/websocket/rfc6455.hpp>

namespace board {
namespace {

std::string_view view(boost::beast::string_view s) { return {s.data(), s.size()}; }

/// Nothing but the page's own files, and nobody may frame it.
constexpr char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

response make(http::status status, std::string_view type, std::string body) {
    response r(status, 11);
    r.set(http::field::server, "weft-board");
    r.set(http::field::content_type, {type.data(), type.size()});
    r.set(http::field::cache_control, type.starts_with("application/json") ? "no-store" : "no-cache");
    r.set("X-Content-Type-Options", "nosniff");
    r.set("Referrer-Policy", "no-referrer");
    r.set("Cross-Origin-Resource-Policy", "same-origin");
    r.set("Content-Security-Policy", type.starts_with("text/html") ? page_policy : "default-src 'none'; frame-ancestors 'none'");
    r.body() = std::move(body);
    return r;
}
response json(http::status status, std::string body) { return make(status, "application/json; charset=utf-8", std::move(body)); }
response error(http::status status, std::string_view why) { return json(status, "{\"error\":" + quoted(why) + '}'); }

response wrong_method(char const* allowed) {
    auto r = error(http::status::method_not_allowed, std::string("this is for ") + allowed);
    r.set(http::field::allow, allowed);
    return r;
}

bool from_elsewhere(request const& r) {
    auto origin = r.find(http::field::origin);
    return origin != r.end() && !same_origin(view(origin->value()), view(r[http::field::host]));
}

response read_messages(site& s, target const& t) {
    auto after = t.query.find("after");
    auto id = after ? parse_number(*after) : 0;
    if (!id) return error(http::status::bad_request, "\"after\" is no number");
    return json(http::status::ok, s.messages.history(*id));
}

response post_message(site& s, request const& r) {
    // Only a page can be made to send what its reader does not want, and only a browser says which page it is.
    if (from_elsewhere(r)) return error(http::status::forbidden, "this page is not of this board");
    auto whole = view(r[http::field::content_type]);
    auto type = whole.substr(0, whole.find_first_of("; "));
    bool form = boost::beast::iequals({type.data(), type.size()}, "application/x-www-form-urlencoded");
    if (!form && !boost::beast::iequals({type.data(), type.size()}, "application/json")) {
        return error(http::status::unsupported_media_type, "send application/json or application/x-www-form-urlencoded");
    }
    try {
        return json(http::status::created, to_json(s.post(form ? draft_from_form(r.body()) : draft_from_json(r.body()))));
    } catch (bad_draft const& e) {
        return error(http::status::bad_request, e.what());
    }
}

response health(site& s) {
    return json(s.draining() ? http::status::service_unavailable : http::status::ok,
                std::string("{\"status\":") + (s.draining() ? "\"draining\"" : "\"ok\"") + ",\"people\":" + std::to_string(s.messages.people()) + ",\"last\":" +
                    std::to_string(s.messages.last()) + ",\"connections\":" + std::to_string(s.books.open) + '}');
}

struct file { std::string_view path, type, text; };

response route(site& s, request const& r, target const& t) {
    bool get = r.method() == http::verb::get || r.method() == http::verb::head;
    if (t.path == "/messages") {
        if (r.method() == http::verb::post) return post_message(s, r);
        return get ? read_messages(s, t) : wrong_method("GET, HEAD, POST");
    }
    if (t.path == "/health") return get ? health(s) : wrong_method("GET, HEAD");
    if (t.path == "/live") {
        if (!get) return wrong_method("GET");
        auto answer = error(http::status::upgrade_required, "this is for WebSockets");
        answer.set(http::field::upgrade, "websocket");
        return answer;
    }
    for (file const& f : {file{"/", "text/html; charset=utf-8", page_html}, file{"/page.css", "text/css; charset=utf-8", page_css},
                          file{"/page.js", "text/javascript; charset=utf-8", page_js}, file{"/icon.svg", "image/svg+xml", icon_svg}}) {
        if (t.path == f.path) return get ? make(http::status::ok, f.type, std::string(f.text)) : wrong_method("GET, HEAD");
    }
    return error(http::status::not_found, "there is no such page");
}

response checked_route(site& s, request const& r) {
    if (r.version() == 11 && r.count(http::field::host) != 1) return error(http::status::bad_request, "HTTP/1.1 needs one Host");
    auto t = parse_target(view(r.target()));
    return t ? route(s, r, *t) : error(http::status::bad_request, "the target cannot be read");
}

}  // namespace

response answer(site& s, request const& r) {
    auto res = checked_route(s, r);
    res.version(r.version());
    res.prepare_payload();
    if (r.method() == http::verb::head) res.body().clear();  // but its length stays
    return res;
}

response refusal(http::status status, std::string_view why) {
    auto r = error(status, why);
    r.keep_alive(false);
    r.prepare_payload();
    return r;
}

bool asks_for_live(request const& r) {
    if (!boost::beast::websocket::is_upgrade(r)) return false;
    auto t = parse_target(view(r.target()));
    return t && t->path == "/live";
}

std::optional<response> refuse_live(site& s, request const& r) {
    if (from_elsewhere(r)) return refusal(http::status::forbidden, "this page is not of this board");
    if (s.draining()) return refusal(http::status::service_unavailable, "the server is shutting down");
    return std::nullopt;
}

}  // namespace board
