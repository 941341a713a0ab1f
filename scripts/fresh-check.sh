#!/bin/bash
# Set up as a new, unprivileged user on a bare machine, and print minutes per stage.
#
# Usage: scripts/fresh-check.sh [--work-tree] [setup runtime redis demo test loadtest]
#   Clones HEAD (with --work-tree: the files as they lie here) into an empty folder, with an empty
#   home, empty caches, and a PATH without go, java, redis, docker, podman, dapr, node and uv. Runs
#   the targets named, or all six, in the order given, and setup again. The user and the folder are
#   removed at the end, also after a failure. Needs root, to make a user; about 8 GB of disk.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
from=HEAD
targets=()
for argument in "$@"; do
    case $argument in
        --work-tree) from=work-tree ;;
        setup | runtime | redis | demo | test | loadtest) targets+=("$argument") ;;
        *)
            echo "fresh-check: unknown argument '$argument'; expected --work-tree, setup, runtime, redis, demo, test or loadtest" >&2
            exit 254
            ;;
    esac
done
[ ${#targets[@]} = 0 ] && targets=(setup runtime redis demo test loadtest)
if [ "$(id -u)" != 0 ]; then
    echo "fresh-check: this is user $(id -un), and it needs root to make a user; try: sudo make fresh-check" >&2
    exit 254
fi
hidden='^(go|gofmt|java|javac|redis-.*|valkey-.*|docker.*|podman|dapr|daprd|onceproof.*|node|npm|npx|uv|uvx)$'

user=onceproof-fresh-$$
folder=$(mktemp -d /tmp/onceproof-fresh.XXXXXX) || exit 255
identity=

clean_up() {
    [ -n "$identity" ] && pkill -KILL -U "$identity" 2>/dev/null
    rm -rf -- "$folder"
    id "$user" >/dev/null 2>&1 && userdel "$user" 2>/dev/null
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

home=$folder/home
mkdir "$home" "$folder/bin" "$folder/tmp"
if command -v useradd >/dev/null; then
    useradd --no-create-home --home-dir "$home" --shell /bin/sh "$user" || exit 255
    identity=$(id -u "$user")
else
    identity=$((600000000 + $$))
fi

for place in /usr/local/bin /usr/bin /bin /usr/sbin /sbin; do
    for file in "$place"/*; do
        name=${file##*/}
        [[ $name =~ $hidden ]] || [ -e "$folder/bin/$name" ] || ln -s "$file" "$folder/bin/$name"
    done
done

if [ "$from" = HEAD ]; then
    git clone --quiet --no-hardlinks "$root" "$folder/onceproof" || exit 255
else
    mkdir "$folder/onceproof"
    (cd "$root" && git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from - --ignore-failed-read) | tar -x -C "$folder/onceproof" || exit 255
fi
chown -R "$identity:$identity" "$folder"

# What a user's own machine would have configured for everybody: proxies, certificates, mirrors.
passed=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE \
    SSL_CERT_DIR PIP_CERT PIP_INDEX_URL REQUESTS_CA_BUNDLE GOPROXY GOSUMDB; do
    [ -n "${!name:-}" ] && passed+=("$name=${!name}")
done

as_new_user() {
    env -i "${passed[@]}" HOME="$home" USER="$user" LOGNAME="$user" TMPDIR="$folder/tmp" \
        LANG=C.UTF-8 PATH="$folder/bin" \
        setpriv --reuid "$identity" --regid "$identity" --clear-groups \
        make -C "$folder/onceproof" "$@"
}

table=
worst=0
for target in "${targets[@]}" "setup (again)"; do
    echo "fresh-check: make ${target% (again)}" >&2
    began=$(date +%s.%N)
    as_new_user ${target% (again)} </dev/null
    code=$?
    minutes=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", (b - a) / 60}')
    table+=$(printf '%-16s %8s  %s' "$target" "$minutes" "$([ $code = 0 ] && echo ok || echo "exit $code")")$'\n'
    if [ $code != 0 ]; then
        worst=1
        [ "$target" = setup ] && break
    fi
done
printf '\n%-16s %8s  %s\n%s' stage minutes result "$table"
exit $worst
