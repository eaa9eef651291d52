# Sourced by scripts/run and scripts/test: sets PYTHON to a Python 3.11+ that can make a venv.
# Without one it prints the one line that installs it, and runs that line when root.

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 python3.14 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c "$1" >/dev/null 2>&1 || continue
        PYTHON=$candidate
        return 0
    done
    return 1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

if ! find_python "import ensurepip, venv; $new_enough"; then
    if find_python "$new_enough"; then
        package="$("$PYTHON" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    else
        package="python3 python3-venv"
    fi
    line="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $package"
    echo "Python 3.11+ with its venv module is needed. On Debian and Ubuntu, as root:" >&2
    echo "    $line" >&2
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        exit 2
    fi
    sh -c "$line" >&2
    find_python "import ensurepip, venv; $new_enough" || {
        echo "There is still no Python 3.11+ with a venv module on this machine." >&2
        exit 2
    }
fi
