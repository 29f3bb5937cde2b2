# SPDX-License-Identifier: BSL-1.0
# Sourced by test/run and example/run: installs what a bare Debian 12 lacks, saying so before it does.
#   need COMMAND PACKAGE    the package, if the command is missing
#   need_file FILE PACKAGE  the package, if the file is missing
#   install_needed          installs what was named
wanted=()
need() { command -v "$1" >/dev/null 2>&1 || wanted+=("$2"); }
need_file() { compgen -G "$1" >/dev/null || wanted+=("$2"); }
install_needed() {
    [ ${#wanted[@]} -eq 0 ] && return 0
    echo "installing: ${wanted[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
    wanted=()
}
need_boost() {
    need g++ g++
    need b2 libboost1.81-tools-dev
    need_file '/usr/lib/*/libboost_fiber.so.1.81.0' libboost-fiber1.81-dev
    need_file '/usr/lib/*/libboost_fiber.a' libboost-fiber1.81-dev
    need_file '/usr/lib/*/libboost_context.a' libboost-context1.81-dev
    need_file '/usr/include/boost/system.hpp' libboost-system1.81-dev
    need_file '/usr/include/boost/asio.hpp' libboost1.81-dev
}
# ccache where it is installed.
[ -d /usr/lib/ccache ] && PATH=/usr/lib/ccache:$PATH
