# SPDX-License-Identifier: BSL-1.0
# Sourced by test/run and example/run: installs what a bare Debian 12 lacks, saying so before it does.
#   need COMMAND PACKAGE    the package, if the command is missing
#   need_file GLOB PACKAGE  the package, if no such file exists
#   need_boost              the compiler, b2 and the Boost libraries that weft is made of
#   install_needed          installs what was named; its status is that of the installation
wanted=()
want() { case " ${wanted[*]-} " in *" $1 "*) ;; *) wanted+=("$1") ;; esac; }
need() { command -v "$1" >/dev/null 2>&1 || want "$2"; }
need_file() { compgen -G "$1" >/dev/null || want "$2"; }
install_needed() {
    [ ${#wanted[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        command -v sudo >/dev/null || { echo "missing, and neither root nor sudo to install it: ${wanted[*]}" >&2; return 1; }
    fi
    echo "installing: ${wanted[*]}"
    "${as_root[@]}" apt-get update -qq || return 1
    # Never in place of something else: packages of another Boost would be removed for these.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends --no-remove "${wanted[@]}" >/dev/null || return 1
    wanted=()
}
boost_is_new_enough() {
    local version
    version=$(awk '$1 == "#define" && $2 == "BOOST_VERSION" { print $3 }' /usr/include/boost/version.hpp 2>/dev/null)
    [ "${version:-0}" -ge 108100 ]
}
need_boost() {
    need g++ g++
    need b2 libboost1.81-tools-dev
    if boost_is_new_enough; then
        need_file '/usr/lib/*/libboost_fiber.a' libboost-fiber1.81-dev
        need_file '/usr/lib/*/libboost_context.a' libboost-context1.81-dev
    else
        want libboost-fiber1.81-dev
        want libboost-context1.81-dev
        want libboost-system1.81-dev
    fi
}
# ccache where it is installed.
[ -d /usr/lib/ccache ] && PATH=/usr/lib/ccache:$PATH
jobs=$(($(nproc) + 1))  # tests wait, for processes and time
