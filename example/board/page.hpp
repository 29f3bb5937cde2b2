// SPDX-License-Identifier: BSL-1.0
#ifndef BOARD_PAGE_HPP
#define BOARD_PAGE_HPP

#include <string_view>

namespace board {

// The files of the browser's page, made a part of the program by the Jamfile.
extern std::string_view const page_html;
extern std::string_view const page_css;
extern std::string_view const page_js;
extern std::string_view const icon_svg;

}  // namespace board

#endif
