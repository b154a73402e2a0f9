#!/bin/sh
# What CI and a developer run before a commit: format, lint, types, import rules, fast tests.
set -eu
ruff format --check .
ruff check .
mypy
lint-imports
shellcheck_or_say() {
    if command -v shellcheck >/dev/null 2>&1; then
        shellcheck run tests/check.sh .ci/run firmware_config/provision firmware_config/update firmware_config/deb/build \
            firmware_config/deb/postinst firmware_config/deb/prerm firmware_config/deb/postrm
    else
        echo "check: SKIPPED shellcheck (Debian package shellcheck is not installed)" >&2
    fi
}
shellcheck_or_say
[ "${1:-}" != --without-tests ] || exit 0
exec python -m pytest -q -m 'not slow' "$@"
